// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"

	"github.com/spf13/pflag"

	internalwebhook "github.com/cert-manager/cert-manager/internal/webhook"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
)

// webhook validates objects of cert-manager for the API server. Options and server are upstream's.
func webhook(ctx context.Context, flags *pflag.FlagSet, arguments []string) error {
	configuration, err := options.NewWebhookConfiguration()
	if err != nil {
		return err
	}
	options.AddConfigFlags(flags, configuration)
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	server, err := internalwebhook.NewCertManagerWebhookServer(logf.FromContext(ctx, "webhook"), *configuration)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
