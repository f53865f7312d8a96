// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

// acmesolver answers one HTTP-01 challenge.
func acmesolver(ctx context.Context, flags *pflag.FlagSet, arguments []string) error {
	var answer solver.HTTP01Solver
	flags.IntVar(&answer.ListenPort, "listen-port", 8089, "")
	flags.StringVar(&answer.Domain, "domain", "", "")
	flags.StringVar(&answer.Token, "token", "", "")
	flags.StringVar(&answer.Key, "key", "", "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- answer.Listen(logf.FromContext(ctx)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := answer.Shutdown(patience); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
