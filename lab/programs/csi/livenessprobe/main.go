// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A stand-in of the lab for livenessprobe: GET /healthz is 200 as long as a CSI driver answers a Probe.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "socket of the driver")
	limit := flag.Duration("probe-timeout", time.Second, "for one answer")
	endpoint := flag.String("http-endpoint", "localhost:9808", "address and port to serve at")
	flag.Int("v", 0, "not used")
	flag.Parse()
	connection, err := grpc.NewClient("unix://"+*address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), *limit)
		defer cancel()
		found, err := csi.NewIdentityClient(connection).Probe(ctx, &csi.ProbeRequest{})
		if err != nil || !found.GetReady().GetValue() {
			log.Printf("not ready: %v", err)
			http.Error(answer, "the driver is not ready", http.StatusInternalServerError)
		}
	})
	log.Print("stand-in of the lab for livenessprobe")
	log.Fatal(http.ListenAndServe(*endpoint, nil))
}
