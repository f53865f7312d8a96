// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	cmcontroller "github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	"github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	shimgateways "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/gateways"
	shimingresses "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	requestacme "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	requestca "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	requestselfsigned "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	certificatemetrics "github.com/cert-manager/cert-manager/pkg/controller/certificates/metrics"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	"github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	"github.com/cert-manager/cert-manager/pkg/controller/issuers"
	"github.com/cert-manager/cert-manager/pkg/healthz"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	dnsutil "github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/util"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

const (
	metricsAddress = "0.0.0.0:9402"
	healthAddress  = "0.0.0.0:9403"
	workers        = 5
)

// What upstream's program runs by default, without the issuers Vault and Venafi, which nobody has in the lab.
var loops = []string{
	acmechallenges.ControllerName,
	acmeorders.ControllerName,
	approver.ControllerName,
	certificatemetrics.ControllerName,
	clusterissuers.ControllerName,
	shimingresses.ControllerName,
	issuers.ControllerName,
	issuing.ControllerName,
	keymanager.ControllerName,
	readiness.ControllerName,
	requestacme.CRControllerName,
	requestca.CRControllerName,
	requestmanager.ControllerName,
	requestselfsigned.CRControllerName,
	revisionmanager.ControllerName,
	trigger.ControllerName,
}

// What upstream's program has by default where no argument says otherwise.
func defaults() cmcontroller.ContextOptions {
	return cmcontroller.ContextOptions{
		KubernetesAPIQPS:   20,
		KubernetesAPIBurst: 50,
		ACMEOptions: cmcontroller.ACMEOptions{
			HTTP01SolverResourceRequestCPU:    resource.MustParse("10m"),
			HTTP01SolverResourceRequestMemory: resource.MustParse("64Mi"),
			HTTP01SolverResourceLimitsCPU:     resource.MustParse("100m"),
			HTTP01SolverResourceLimitsMemory:  resource.MustParse("64Mi"),
			ACMEHTTP01SolverRunAsNonRoot:      true,
			DNS01CheckRetryPeriod:             10 * time.Second,
		},
		CertificateOptions: cmcontroller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"},
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
		IngressShimOptions: cmcontroller.IngressShimOptions{
			DefaultAutoCertificateAnnotations: []string{"kubernetes.io/tls-acme"},
		},
		SchedulerOptions: cmcontroller.SchedulerOptions{MaxConcurrentChallenges: 60},
	}
}

// controller issues and renews certificates, once it leads.
func controller(ctx context.Context, flags *pflag.FlagSet, arguments []string) error {
	options := defaults()
	var leaseNamespace string
	var recursiveOnly bool
	flags.StringVar(&options.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "")
	flags.StringVar(&leaseNamespace, "leader-election-namespace", "kube-system", "")
	flags.StringVar(&options.HTTP01SolverImage, "acme-http01-solver-image", "", "")
	flags.StringSliceVar(&options.HTTP01SolverNameservers, "acme-http01-solver-nameservers", nil, "")
	flags.StringSliceVar(&options.DNS01Nameservers, "dns01-recursive-nameservers", dnsutil.RecursiveNameservers, "")
	flags.BoolVar(&recursiveOnly, "dns01-recursive-nameservers-only", false, "")
	flags.DurationVar(&options.DNS01CheckRetryPeriod, "dns01-check-retry-period", options.DNS01CheckRetryPeriod, "")
	flags.BoolVar(&options.ClusterIssuerAmbientCredentials, "cluster-issuer-ambient-credentials", true, "")
	flags.BoolVar(&options.EnableGatewayAPI, "enable-gateway-api", false, "")
	flags.StringVar(&options.DefaultIssuerName, "default-issuer-name", "", "")
	flags.StringVar(&options.DefaultIssuerKind, "default-issuer-kind", "Issuer", "")
	flags.StringVar(&options.DefaultIssuerGroup, "default-issuer-group", "cert-manager.io", "")
	flags.DurationVar(&options.CertificateRequestMinimumBackoffDuration, "certificate-request-minimum-backoff-duration", time.Hour, "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	options.DNS01CheckAuthoritative = !recursiveOnly
	factory, err := cmcontroller.NewContextFactory(ctx, options)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	parts, err := factory.Build()
	if err != nil {
		return err
	}
	if err := serveMetrics(ctx, group, parts); err != nil {
		return err
	}
	elected, err := elect(ctx, group, factory, leaseNamespace)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return group.Wait()
	case <-elected:
	}
	wanted := loops
	if options.EnableGatewayAPI {
		wanted = append(wanted, shimgateways.ControllerName)
	}
	for _, name := range wanted {
		construct, known := cmcontroller.Known()[name]
		if !known {
			return fmt.Errorf("the controller %s is not part of this program", name)
		}
		loop, err := construct(factory)
		if err != nil {
			return fmt.Errorf("controller %s: %w", name, err)
		}
		group.Go(func() error { return loop.Run(workers, ctx) })
	}
	parts.SharedInformerFactory.Start(ctx.Done())
	parts.KubeSharedInformerFactory.Start(ctx.Done())
	parts.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	if options.EnableGatewayAPI {
		parts.GWShared.Start(ctx.Done())
	}
	return group.Wait()
}

// serveMetrics also tells when certificates end.
func serveMetrics(ctx context.Context, group *errgroup.Group, parts *cmcontroller.Context) error {
	listener, err := net.Listen("tcp", metricsAddress)
	if err != nil {
		return err
	}
	kinds := parts.SharedInformerFactory
	parts.Metrics.SetupACMECollector(kinds.Acme().V1().Challenges().Lister())
	parts.Metrics.SetupCertificateCollector(kinds.Certmanager().V1().Certificates().Lister())
	parts.Metrics.SetupIssuerCollector(kinds.Certmanager().V1().Issuers().Lister())
	parts.Metrics.SetupClusterIssuerCollector(kinds.Certmanager().V1().ClusterIssuers().Lister())
	server := parts.Metrics.NewServer(listener)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return nil
}

// elect gives a channel that is closed when this replica leads; one that does not any more ends.
func elect(
	ctx context.Context, group *errgroup.Group, factory *cmcontroller.ContextFactory, namespace string,
) (<-chan struct{}, error) {
	health := healthz.NewServer(20 * time.Second)
	listener, err := net.Listen("tcp", healthAddress)
	if err != nil {
		return nil, err
	}
	group.Go(func() error { return health.Start(ctx, listener) })
	identity, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	parts, err := factory.Build("leader-election")
	if err != nil {
		return nil, err
	}
	lock, err := resourcelock.New(
		resourcelock.LeasesResourceLock, namespace, "cert-manager-controller",
		parts.Client.CoreV1(), parts.Client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: identity, EventRecorder: parts.Recorder},
	)
	if err != nil {
		return nil, err
	}
	elected := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   60 * time.Second,
		RenewDeadline:   40 * time.Second,
		RetryPeriod:     15 * time.Second,
		ReleaseOnCancel: true,
		WatchDog:        health.LeaderHealthzAdaptor,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(elected) },
			OnStoppedLeading: func() { logf.FromContext(ctx).Info("does not lead") },
		},
	})
	if err != nil {
		return nil, err
	}
	health.LeaderHealthzAdaptor.SetLeaderElection(elector)
	group.Go(func() error {
		elector.Run(ctx)
		if ctx.Err() == nil {
			return errors.New("another replica leads")
		}
		return nil
	})
	return elected, nil
}
