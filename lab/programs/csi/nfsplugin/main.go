// Copyright: (c) 2026, baremetal.kubernetes contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A stand-in of the lab for csi-driver-nfs: the same names, CSI calls (container-storage-interface spec 1.x), parameters
// and directories on the server, and mounts by mount.nfs. It has what the role storage_nfs and its tests need, and is no
// driver for anybody else.
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	driverName = "nfs.csi.k8s.io"
	standIn    = "stand-in of the lab"
	// How long a mount, an unmount and a look at a volume may take until the caller is told that they failed.
	mountTime   = 110 * time.Second
	unmountTime = 30 * time.Second
	statsTime   = 5 * time.Second
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	node string
	work string
	busy sync.Map
}

// One volume at a time for each call; a second one is told to come again.
func (d *driver) lock(id string) (func(), error) {
	if _, there := d.busy.LoadOrStore(id, true); there {
		return nil, status.Errorf(codes.Aborted, "an operation on %s is under way", id)
	}
	return func() { d.busy.Delete(id) }, nil
}

// Mounts, by the kernel's own table: a server that is gone cannot hold that up.
func mounted(target string) bool {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == target {
			return true
		}
	}
	return false
}

func within(limit time.Duration, what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("%s: no end after %s", what, limit)
	}
}

func mount(source, target string, options []string) error {
	if mounted(target) {
		return nil
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	arguments := []string{source, target}
	if len(options) > 0 {
		arguments = append(arguments, "-o", strings.Join(options, ","))
	}
	ctx, cancel := context.WithTimeout(context.Background(), mountTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "mount.nfs", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount.nfs %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func unmount(target string) error {
	// Upstream's driver looks at the directory before it unmounts (CleanupMountWithForce of k8s.io/mount-utils): with a
	// hard mount, that waits until a server that is gone is back. A soft mount answers EIO, and is unmounted by force.
	_, err := os.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil && !errors.Is(err, syscall.EIO) {
		return fmt.Errorf("look at %s: %w", target, err)
	}
	if mounted(target) {
		if err == nil {
			err = within(unmountTime, "unmount "+target, func() error { return syscall.Unmount(target, 0) })
		}
		if err != nil {
			log.Printf("%v; forced", err)
			err = within(unmountTime, "forced unmount "+target, func() error {
				return syscall.Unmount(target, syscall.MNT_FORCE|syscall.MNT_DETACH)
			})
		}
		if err != nil {
			return err
		}
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// A volume by its id: server, export, directory, name of the PersistentVolume, and what becomes of the directory.
type volume struct{ server, export, directory, name, onDelete string }

func (v volume) id() string {
	return strings.Join([]string{v.server, strings.Trim(v.export, "/"), v.directory, v.name, v.onDelete}, "#")
}

func parse(id string) (volume, error) {
	parts := strings.Split(id, "#")
	if len(parts) < 3 {
		return volume{}, status.Errorf(codes.InvalidArgument, "%q is no id of a volume", id)
	}
	parts = append(parts, "", "")
	return volume{parts[0], "/" + parts[1], parts[2], parts[3], parts[4]}, nil
}

func (v volume) source() string {
	server := v.server
	if strings.Contains(server, ":") && !strings.HasPrefix(server, "[") {
		server = "[" + server + "]"
	}
	return server + ":" + v.export
}

// With the export mounted for a moment, do something in it.
func (d *driver) inside(v volume, options []string, do func(root string) error) error {
	root := filepath.Join(d.work, strings.NewReplacer("/", "-", "#", "-").Replace(v.id()))
	if err := mount(v.source(), root, options); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	err := do(root)
	if failed := unmount(root); failed != nil {
		log.Printf("%s stays mounted: %v", root, failed)
	}
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

func mountOptions(capabilities []*csi.VolumeCapability, secrets map[string]string) []string {
	if len(capabilities) > 0 {
		return capabilities[0].GetMount().GetMountFlags()
	}
	return secretOptions(secrets)
}

func secretOptions(secrets map[string]string) []string {
	for name, value := range secrets {
		if strings.EqualFold(name, "mountOptions") && value != "" {
			return strings.Split(value, ",")
		}
	}
	return nil
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: standIn}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	service := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		{Type: &csi.PluginCapability_Service_{Service: service}},
	}}, nil
}

func (d *driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	var found []*csi.ControllerServiceCapability
	for _, one := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: one}
		found = append(found, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: found}, nil
}

func (d *driver) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.GetVolumeCapabilities()}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}

// Parameters of a StorageClass, without regard to case as the driver reads them. Unknown ones are refused, but in what the
// kubelet gives, which has more.
func read(name string, parameters map[string]string, strict bool) (volume, os.FileMode, error) {
	v := volume{directory: name, name: name, onDelete: "delete"}
	var mode os.FileMode
	places := map[string]string{}
	template := ""
	for key, value := range parameters {
		switch strings.ToLower(key) {
		case "server":
			v.server = value
		case "share":
			v.export = value
		case "subdir":
			template = value
		case "ondelete":
			v.onDelete = strings.ToLower(value)
		case "mountpermissions":
			bits, err := strconv.ParseUint(value, 8, 32)
			if err != nil {
				return v, 0, status.Errorf(codes.InvalidArgument, "mountPermissions %q", value)
			}
			mode = os.FileMode(bits)
		case "csi.storage.k8s.io/pvc/name":
			places["${pvc.metadata.name}"] = value
		case "csi.storage.k8s.io/pvc/namespace":
			places["${pvc.metadata.namespace}"] = value
		case "csi.storage.k8s.io/pv/name":
			places["${pv.metadata.name}"] = value
		default:
			if strict {
				return v, 0, status.Errorf(codes.InvalidArgument, "unknown parameter %q", key)
			}
		}
	}
	if template != "" {
		for place, value := range places {
			template = strings.ReplaceAll(template, place, value)
		}
		v.directory = template
	}
	if v.server == "" || v.export == "" || strings.Contains(v.directory, "..") {
		return v, 0, status.Error(codes.InvalidArgument, "server, share and a directory without .. are needed")
	}
	return v, mode, nil
}

func (d *driver) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	v, mode, err := read(request.GetName(), request.GetParameters(), true)
	if err != nil {
		return nil, err
	}
	free, err := d.lock(v.id())
	if err != nil {
		return nil, err
	}
	defer free()
	options := mountOptions(request.GetVolumeCapabilities(), request.GetSecrets())
	err = d.inside(v, options, func(root string) error {
		directory := filepath.Join(root, v.directory)
		if err := os.MkdirAll(directory, 0o777); err != nil {
			return err
		}
		if mode != 0 {
			// Octal bits as they are; os.Chmod has the special ones elsewhere.
			return syscall.Chmod(directory, uint32(mode))
		}
		return nil
	})
	if source := request.GetVolumeContentSource().GetSnapshot(); err == nil && source != nil {
		err = d.restore(source.GetSnapshotId(), v, options)
	}
	if err != nil {
		return nil, err
	}
	about := map[string]string{"subDir": v.directory}
	for key, value := range request.GetParameters() {
		if !strings.EqualFold(key, "subDir") {
			about[key] = value
		}
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: v.id(), VolumeContext: about, ContentSource: request.GetVolumeContentSource(),
	}}, nil
}

func (d *driver) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	v, err := parse(request.GetVolumeId())
	if err != nil || v.onDelete == "retain" {
		return &csi.DeleteVolumeResponse{}, nil
	}
	free, err := d.lock(v.id())
	if err != nil {
		return nil, err
	}
	defer free()
	err = d.inside(v, secretOptions(request.GetSecrets()), func(root string) error {
		directory := filepath.Join(root, v.directory)
		if v.onDelete != "archive" {
			return os.RemoveAll(directory)
		}
		kept := filepath.Join(root, "archived-"+v.directory)
		if err := os.MkdirAll(filepath.Dir(kept), 0o777); err != nil {
			return err
		}
		if err := os.Rename(directory, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// A snapshot by its id: where its directory is, and the volume that it is of.
func snapshotPlace(id string) (volume, string, error) {
	parts := strings.Split(id, "#")
	if len(parts) != 4 {
		return volume{}, "", status.Errorf(codes.InvalidArgument, "%q is no id of a snapshot", id)
	}
	return volume{server: parts[0], export: "/" + parts[1], directory: parts[2], name: parts[2]}, parts[3] + ".tar.gz", nil
}

func (d *driver) CreateSnapshot(_ context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	source, err := parse(request.GetSourceVolumeId())
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	kept := volume{server: source.server, export: source.export, directory: request.GetName(), name: request.GetName()}
	options := secretOptions(request.GetSecrets())
	for key, value := range request.GetParameters() {
		switch strings.ToLower(key) {
		case "server":
			kept.server = value
		case "share":
			kept.export = value
		case "mountoptions":
			options = strings.Split(value, ",")
		}
	}
	name := strings.ReplaceAll(source.directory, "/", "-")
	var size int64
	err = d.inside(source, options, func(from string) error {
		return d.inside(kept, options, func(to string) error {
			directory := filepath.Join(to, kept.directory)
			if err := os.MkdirAll(directory, 0o777); err != nil {
				return err
			}
			file := filepath.Join(directory, name+".tar.gz")
			if err := pack(filepath.Join(from, source.directory), file); err != nil {
				return err
			}
			about, err := os.Stat(file)
			if err == nil {
				size = about.Size()
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	id := strings.Join([]string{kept.server, strings.Trim(kept.export, "/"), kept.directory, name}, "#")
	return &csi.CreateSnapshotResponse{Snapshot: &csi.Snapshot{
		SnapshotId: id, SourceVolumeId: request.GetSourceVolumeId(), SizeBytes: size,
		CreationTime: timestamppb.Now(), ReadyToUse: true,
	}}, nil
}

func (d *driver) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	place, _, err := snapshotPlace(request.GetSnapshotId())
	if err != nil {
		return &csi.DeleteSnapshotResponse{}, nil
	}
	err = d.inside(place, secretOptions(request.GetSecrets()), func(root string) error {
		return os.RemoveAll(filepath.Join(root, place.directory))
	})
	if err != nil {
		return nil, err
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

func (d *driver) restore(id string, v volume, options []string) error {
	place, name, err := snapshotPlace(id)
	if err != nil {
		return err
	}
	return d.inside(place, options, func(from string) error {
		return d.inside(v, options, func(to string) error {
			return unpack(filepath.Join(from, place.directory, name), filepath.Join(to, v.directory))
		})
	})
}

func pack(directory, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	compressed := gzip.NewWriter(out)
	archive := tar.NewWriter(compressed)
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(path); err != nil {
				return err
			}
		}
		header, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		if header.Name, err = filepath.Rel(directory, path); err != nil {
			return err
		}
		if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
			return err
		}
		content, err := os.Open(path)
		if err != nil {
			return err
		}
		defer content.Close()
		_, err = io.Copy(archive, content)
		return err
	})
	return errors.Join(err, archive.Close(), compressed.Close())
}

func unpack(file, directory string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	compressed, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	archive := tar.NewReader(compressed)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("%s is outside the archive", header.Name)
		}
		path := filepath.Join(directory, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o777)
		case tar.TypeSymlink:
			err = os.Symlink(header.Linkname, path)
		case tar.TypeReg:
			err = place(path, archive)
		}
		if err == nil && header.Typeflag != tar.TypeSymlink {
			err = errors.Join(os.Chown(path, header.Uid, header.Gid), syscall.Chmod(path, uint32(header.Mode)))
		}
		if err != nil {
			return err
		}
	}
}

func place(path string, content io.Reader) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	var found []*csi.NodeServiceCapability
	for _, one := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: one}
		found = append(found, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: found}, nil
}

func (d *driver) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	target := request.GetTargetPath()
	free, err := d.lock(request.GetVolumeId() + " " + target)
	if err != nil {
		return nil, err
	}
	defer free()
	v, mode, err := read(request.GetVolumeId(), request.GetVolumeContext(), false)
	if err != nil {
		return nil, err
	}
	// Without subDir, as of a PersistentVolume that somebody has made, it is the export itself.
	sub := ""
	for key, value := range request.GetVolumeContext() {
		if strings.EqualFold(key, "subDir") {
			sub = value
		}
	}
	source := strings.TrimRight(v.source(), "/") + "/" + sub
	options := append([]string{}, request.GetVolumeCapability().GetMount().GetMountFlags()...)
	if request.GetReadonly() {
		options = append(options, "ro")
	}
	log.Printf("publish %s at %s with %v", source, target, options)
	if err := mount(strings.TrimRight(source, "/"), target, options); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if mode != 0 && !request.GetReadonly() {
		err := within(mountTime, "chmod", func() error { return syscall.Chmod(target, uint32(mode)) })
		if err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *driver) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	target := request.GetTargetPath()
	free, err := d.lock(request.GetVolumeId() + " " + target)
	if err != nil {
		return nil, err
	}
	defer free()
	log.Printf("unpublish %s", target)
	if err := unmount(target); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func (d *driver) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	path := request.GetVolumePath()
	if !mounted(path) {
		return nil, status.Errorf(codes.NotFound, "nothing is mounted at %s", path)
	}
	var found syscall.Statfs_t
	if err := within(statsTime, "statfs "+path, func() error { return syscall.Statfs(path, &found) }); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	size := int64(found.Bsize)
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{
			Unit: csi.VolumeUsage_BYTES, Total: int64(found.Blocks) * size, Available: int64(found.Bavail) * size,
			Used: int64(found.Blocks-found.Bfree) * size,
		},
		{
			Unit: csi.VolumeUsage_INODES, Total: int64(found.Files), Available: int64(found.Ffree),
			Used: int64(found.Files - found.Ffree),
		},
	}}, nil
}

func main() {
	endpoint := flag.String("endpoint", "unix:///csi/csi.sock", "socket to serve at")
	node := flag.String("nodeid", "", "name of this node")
	work := flag.String("working-mount-dir", "/tmp", "where exports are mounted for a moment")
	flag.Int("v", 0, "not used")
	flag.Parse()
	log.SetFlags(log.LstdFlags | log.LUTC)
	log.Printf("%s for csi-driver-nfs, node %s", standIn, *node)
	path := strings.TrimPrefix(strings.TrimPrefix(*endpoint, "unix://"), "unix:")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	d := &driver{node: *node, work: *work}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		answer, err := handle(ctx, request)
		if err != nil {
			log.Printf("%s: %v", info.FullMethod, err)
		}
		return answer, err
	}))
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	csi.RegisterNodeServer(server, d)
	log.Fatal(server.Serve(listener))
}
