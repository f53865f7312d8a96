// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A stand-in of the lab for node-driver-registrar: tells the kubelet of a CSI driver by its plugin registration protocol
// (k8s.io/kubelet, pluginregistration/v1).
package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type server struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: s.name, Endpoint: s.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (s *server) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	log.Printf("registered: %t %s", status.PluginRegistered, status.Error)
	if !status.PluginRegistered {
		// The kubelet restarts it, which is another try.
		os.Exit(1)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// The driver's name, as soon as it serves.
func driverName(address string) string {
	connection, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		info, err := csi.NewIdentityClient(connection).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
		cancel()
		if err == nil {
			return info.GetName()
		}
		log.Printf("waiting for the driver: %v", err)
	}
}

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "socket of the driver")
	path := flag.String("kubelet-registration-path", "", "the same, where the kubelet finds it")
	directory := flag.String("plugin-registration-path", "/registration", "the kubelet's directory of sockets of plugins")
	flag.Int("v", 0, "not used")
	flag.Parse()
	name := driverName(*address)
	socket := filepath.Join(*directory, name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("stand-in of the lab for node-driver-registrar, for %s", name)
	serving := grpc.NewServer()
	registration.RegisterRegistrationServer(serving, &server{name: name, endpoint: *path})
	log.Fatal(serving.Serve(listener))
}
