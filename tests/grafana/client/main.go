// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Client asks a Grafana for everything that the modules of the collection ask for, with the client that is generated
// from Grafana's own description of its API. It prints one line for each operation that worked, and ends with 1 at the
// first that did not.
package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-openapi/strfmt"
	goapi "github.com/grafana/grafana-openapi-client-go/client"
	"github.com/grafana/grafana-openapi-client-go/client/dashboards"
	"github.com/grafana/grafana-openapi-client-go/client/folders"
	"github.com/grafana/grafana-openapi-client-go/client/search"
	"github.com/grafana/grafana-openapi-client-go/client/service_accounts"
	"github.com/grafana/grafana-openapi-client-go/models"
)

// done prints an operation that worked, and ends the program at one that did not.
func done(name string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Println(name)
}

// same ends the program when Grafana has something else than what was sent.
func same(name string, found, expected any) {
	if found != expected {
		done(name, fmt.Errorf("found %v, expected %v", found, expected))
	}
}

// refused ends the program when an operation works that must not.
func refused(name string, err error) {
	if err == nil {
		done(name, fmt.Errorf("it worked, expected an error"))
	}
	fmt.Println(name)
}

func pointer[T any](value T) *T { return &value }

func dashboardsOf(api *goapi.GrafanaHTTPAPI, prefix, folder string) {
	spec := map[string]any{"uid": prefix + "-a", "title": "Overview " + prefix, "tags": []string{prefix}}
	first, err := api.Dashboards.PostDashboard(
		&models.SaveDashboardCommand{Dashboard: spec, FolderUID: folder, Message: "first"},
	)
	done("postDashboard", err)
	same("postDashboard", *first.Payload.UID, prefix+"-a")
	read, err := api.Dashboards.GetDashboardByUID(prefix + "-a")
	done("getDashboardByUID", err)
	same("getDashboardByUID", read.Payload.Meta.FolderUID, folder)
	stored := read.Payload.Dashboard.(map[string]any)
	same("getDashboardByUID", stored["title"], "Overview "+prefix)
	stored["title"] = "Second " + prefix
	second, err := api.Dashboards.PostDashboard(
		&models.SaveDashboardCommand{Dashboard: stored, FolderUID: folder, Message: "second"},
	)
	done("postDashboard of the version read", err)
	same("version", *second.Payload.Version, *first.Payload.Version+1)
	_, err = api.Dashboards.PostDashboard(
		&models.SaveDashboardCommand{Dashboard: stored, FolderUID: folder, Message: "third"},
	)
	refused("postDashboard of a former version", err)
	if _, conflict := err.(*dashboards.PostDashboardPreconditionFailed); !conflict {
		done("postDashboard of a former version", fmt.Errorf("found %v, expected a precondition that failed", err))
	}
	history, err := api.Dashboards.GetDashboardVersionsByUID(
		dashboards.NewGetDashboardVersionsByUIDParams().WithUID(prefix + "-a").WithLimit(pointer(int64(10))),
	)
	done("getDashboardVersionsByUID", err)
	same("message", history.Payload.Versions[0].Message, "second")
	hits, err := api.Search.Search(
		search.NewSearchParams().WithType(pointer("dash-db")).WithTag([]string{prefix}).WithLimit(pointer(int64(10))),
	)
	done("search", err)
	same("search", len(hits.Payload), 1)
	same("search", hits.Payload[0].UID, prefix+"-a")
	counts, err := api.Folders.GetFolderDescendantCounts(folder)
	done("getFolderDescendantCounts", err)
	same("getFolderDescendantCounts", counts.Payload["dashboard"], int64(1))
	_, err = api.Dashboards.DeleteDashboardByUID(prefix + "-a")
	done("deleteDashboardByUID", err)
	_, err = api.Dashboards.GetDashboardByUID(prefix + "-a")
	refused("getDashboardByUID of none", err)
}

func foldersOf(api *goapi.GrafanaHTTPAPI, prefix string) {
	for _, uid := range []string{prefix, prefix + "-inner"} {
		created, err := api.Folders.CreateFolder(&models.CreateFolderCommand{UID: uid, Title: "Kubernetes " + uid})
		done("createFolder", err)
		same("createFolder", created.Payload.UID, uid)
	}
	read, err := api.Folders.GetFolderByUID(prefix)
	done("getFolderByUID", err)
	updated, err := api.Folders.UpdateFolder(
		prefix, &models.UpdateFolderCommand{Title: "Renamed " + prefix, Version: read.Payload.Version},
	)
	done("updateFolder", err)
	same("updateFolder", updated.Payload.Title, "Renamed "+prefix)
	_, err = api.Folders.UpdateFolder(
		prefix, &models.UpdateFolderCommand{Title: "Late " + prefix, Version: read.Payload.Version},
	)
	refused("updateFolder of a former version", err)
	moved, err := api.Folders.MoveFolder(prefix+"-inner", &models.MoveFolderCommand{ParentUID: prefix})
	done("moveFolder", err)
	same("moveFolder", moved.Payload.ParentUID, prefix)
	dashboardsOf(api, prefix, prefix+"-inner")
	for _, uid := range []string{prefix + "-inner", prefix} {
		_, err = api.Folders.DeleteFolder(folders.NewDeleteFolderParams().WithFolderUID(uid))
		done("deleteFolder", err)
	}
}

func dataSourcesOf(api *goapi.GrafanaHTTPAPI, prefix, source string) {
	command := models.AddDataSourceCommand{
		UID:            prefix,
		Name:           prefix,
		Type:           "prometheus",
		Access:         "proxy",
		URL:            source,
		BasicAuth:      true,
		BasicAuthUser:  "grafana",
		JSONData:       map[string]any{"bmkCluster": prefix},
		SecureJSONData: map[string]string{"basicAuthPassword": "first"},
	}
	added, err := api.Datasources.AddDataSource(&command)
	done("addDataSource", err)
	same("addDataSource", added.Payload.Datasource.UID, prefix)
	command.UID += "-b"
	_, err = api.Datasources.AddDataSource(&command)
	refused("addDataSource of a name that is taken", err)
	read, err := api.Datasources.GetDataSourceByUID(prefix)
	done("getDataSourceByUID", err)
	same("getDataSourceByUID", read.Payload.SecureJSONFields["basicAuthPassword"], true)
	same("getDataSourceByUID", read.Payload.JSONData.(map[string]any)["bmkCluster"], any(prefix))
	update := models.UpdateDataSourceCommand{
		UID:           prefix,
		Name:          prefix,
		Type:          "prometheus",
		Access:        "proxy",
		URL:           source,
		BasicAuth:     true,
		BasicAuthUser: "grafana",
		JSONData:      map[string]any{"bmkCluster": prefix, "httpMethod": "POST"},
		Version:       read.Payload.Version,
	}
	updated, err := api.Datasources.UpdateDataSourceByUID(prefix, &update)
	done("updateDataSourceByUID", err)
	same("version", updated.Payload.Datasource.Version, read.Payload.Version+1)
	_, err = api.Datasources.UpdateDataSourceByUID(prefix, &update)
	refused("updateDataSourceByUID of a former version", err)
	if os.Getenv("GRAFANA_REACHES_SOURCE") != "" {
		_, err = api.Datasources.CheckDatasourceHealthWithUID(prefix)
		done("checkDatasourceHealthWithUID", err)
		answer, _, err := api.Datasources.QueryMetricsWithExpressions(&models.MetricRequest{
			From: pointer("now-5m"),
			To:   pointer("now"),
			Queries: []models.JSON{map[string]any{
				"refId": "A", "expr": "up", "instant": true, "datasource": map[string]string{"uid": prefix},
			}},
		})
		done("queryMetricsWithExpressions", err)
		same("frames", len(answer.Payload.Results["A"].Frames), 1)
	}
	_, err = api.Datasources.DeleteDataSourceByUID(prefix)
	done("deleteDataSourceByUID", err)
	_, err = api.Datasources.GetDataSourceByUID(prefix)
	refused("getDataSourceByUID of none", err)
}

func accountsOf(api *goapi.GrafanaHTTPAPI, prefix string) {
	created, err := api.ServiceAccounts.CreateServiceAccount(
		service_accounts.NewCreateServiceAccountParams().WithBody(
			&models.CreateServiceAccountForm{Name: prefix, Role: "Viewer"},
		),
	)
	done("createServiceAccount", err)
	number := created.Payload.ID
	found, err := api.ServiceAccounts.SearchOrgServiceAccountsWithPaging(
		service_accounts.NewSearchOrgServiceAccountsWithPagingParams().WithQuery(pointer(prefix)),
	)
	done("searchOrgServiceAccountsWithPaging", err)
	same("searchOrgServiceAccountsWithPaging", found.Payload.ServiceAccounts[0].ID, number)
	_, err = api.ServiceAccounts.UpdateServiceAccount(
		service_accounts.NewUpdateServiceAccountParams().WithServiceAccountID(number).WithBody(
			&models.UpdateServiceAccountForm{Name: prefix, Role: "Editor", IsDisabled: pointer(false)},
		),
	)
	done("updateServiceAccount", err)
	minted, err := api.ServiceAccounts.CreateToken(
		service_accounts.NewCreateTokenParams().WithServiceAccountID(number).WithBody(
			&models.AddServiceAccountTokenCommand{Name: prefix + "-20260101000000", SecondsToLive: 3600},
		),
	)
	done("createToken", err)
	tokens, err := api.ServiceAccounts.ListTokens(number)
	done("listTokens", err)
	same("listTokens", tokens.Payload[0].ID, minted.Payload.ID)
	own := connect(minted.Payload.Key)
	_, err = own.Org.GetCurrentOrg()
	done("getCurrentOrg with the new token", err)
	_, err = api.ServiceAccounts.DeleteToken(minted.Payload.ID, number)
	done("deleteToken", err)
	_, err = own.Org.GetCurrentOrg()
	refused("getCurrentOrg with a token that was deleted", err)
	_, err = api.ServiceAccounts.DeleteServiceAccount(number)
	done("deleteServiceAccount", err)
}

func connect(token string) *goapi.GrafanaHTTPAPI {
	parsed, err := url.Parse(os.Getenv("GRAFANA_URL"))
	if err != nil {
		done("GRAFANA_URL", err)
	}
	return goapi.NewHTTPClientWithConfig(strfmt.Default, &goapi.TransportConfig{
		Host:     parsed.Host,
		BasePath: strings.TrimRight(parsed.Path, "/") + "/api",
		Schemes:  []string{parsed.Scheme},
		APIKey:   token,
	})
}

func main() {
	api := connect(os.Getenv("GRAFANA_TOKEN"))
	prefix := os.Getenv("GRAFANA_PREFIX")
	_, err := api.Health.GetHealth()
	done("getHealth", err)
	_, err = api.Org.GetCurrentOrg()
	done("getCurrentOrg", err)
	foldersOf(api, prefix)
	dataSourcesOf(api, prefix, os.Getenv("GRAFANA_SOURCE"))
	accountsOf(api, prefix)
}
