// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The programs of cert-manager in the lab, in one file: upstream's are Go modules that are not published, and what they are
// made of is. The first argument says which of them this is, and the others are those of upstream's that the role
// certificates gives; any other one is an error. The module is named below upstream's so that it may use the packages of
// upstream's webhook, as upstream's own programs are.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"

	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

// A program reads its arguments, and runs until its context ends.
type program func(ctx context.Context, flags *pflag.FlagSet, arguments []string) error

var programs = map[string]program{
	"acmesolver": acmesolver,
	"cainjector": cainjector,
	"controller": controller,
	"webhook":    webhook,
}

func main() {
	logf.InitLogs()
	ctrl.SetLogger(logf.Log)
	// The second signal ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(logf.NewContext(ctx, logf.Log), os.Args[1:])
	stop()
	logf.FlushLogs()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) > 0 {
		if start, known := programs[arguments[0]]; known {
			return start(ctx, pflag.NewFlagSet(arguments[0], pflag.ContinueOnError), arguments[1:])
		}
	}
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}
	sort.Strings(names)
	return fmt.Errorf("expected one of %s as the first argument, found %q", strings.Join(names, ", "), arguments)
}
