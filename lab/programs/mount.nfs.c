/*
 * Copyright: (c) 2026, baremetal.kubernetes contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mount.nfs and mount.nfs4 for kernels without an NFS client: the same command line, by FUSE over libnfs. Of the lab only.
 *
 *   mount.nfs SERVER:PATH DIRECTORY [-sfnvrw] [-o OPTIONS]
 *
 * It mounts a "fuse.nfs" and stays as the process that serves it, until it is unmounted. Versions are 3 and 4 (4.0 on the
 * wire). A mount is hard: an operation waits until the server is back, and then goes on. With `soft` it ends with EIO after
 * `timeo` tenths of a second, `retrans` times. A forced unmount (umount -f) ends everything that waits.
 *
 * Files are not kept open on the server: version 4 reads and writes with the anonymous stateid (RFC 7530, 9.1.4.3), so that there
 * is nothing that a server could forget when it restarts, which libnfs would not claim back. These requests, and those that set
 * attributes, are put together here, as libnfs 4 opens a file for each, which directories are not.
 */
#define FUSE_USE_VERSION 35
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_lowlevel.h>
#include <limits.h>
#include <netdb.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs4.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* What mount(8) returns for a mount that failed. */
#define MOUNT_FAILED 32
#define USAGE 1
/* Milliseconds between two looks at a server that is gone. */
#define PAUSE 500
/* How long one request may take before it is sent again over a new connection; NFS over TCP of Linux has 60 s. */
#define REQUEST 5000
/* Bytes of one WRITE of version 4: libnfs 4 has no room for more in a compound. */
#define CHUNK 2048
#define DEEPEST 64

static struct {
	char *server;
	char *path;
	int version;
	int port;
	int mount_port;
	bool soft;
	int timeo; /* tenths of a second */
	int retrans;
} wanted = {.version = 4, .timeo = 600, .retrans = 2};

static struct nfs_context *nfs;
/* One operation at a time: libnfs is not for several threads. Those that wait for a server do not hold it. */
static pthread_mutex_t connection = PTHREAD_MUTEX_INITIALIZER;
static struct fuse_session *session;

static void complain(const char *format, ...)
{
	va_list values;

	fprintf(stderr, "mount.nfs: ");
	va_start(values, format);
	vfprintf(stderr, format, values);
	va_end(values);
	fprintf(stderr, "\n");
}

/* Leave a context whose connection is broken. It is not freed: an operation of libnfs that gave up has left its callback
 * in it, which would be called with a place on the stack that is another function's by now. */
static void abandon(void)
{
	if (nfs && nfs_get_fd(nfs) >= 0)
		close(nfs_get_fd(nfs));
	nfs = NULL;
}

/* Whether somebody listens at the server's port. Contexts are for servers that are there. */
static bool reachable(void)
{
	struct addrinfo *found, *one, hints = {.ai_socktype = SOCK_STREAM};
	char port[16];
	bool there = false;

	snprintf(port, sizeof(port), "%d", wanted.port ? wanted.port : 2049);
	if (getaddrinfo(wanted.server, port, &hints, &found))
		return false;
	for (one = found; one && !there; one = one->ai_next) {
		int socket_ = socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
		struct pollfd wait = {.fd = socket_, .events = POLLOUT};
		socklen_t size = sizeof(error);

		if (socket_ < 0)
			continue;
		if (!connect(socket_, one->ai_addr, one->ai_addrlen))
			there = true;
		else if (errno == EINPROGRESS && poll(&wait, 1, REQUEST) == 1)
			there = !getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) && !error;
		close(socket_);
	}
	freeaddrinfo(found);
	return there;
}

/* Connect, and look up the export. Returns 0, or an error as -errno. */
static int connect_server(void)
{
	char url[PATH_MAX];
	struct nfs_url *parsed;
	int result;

	if (!reachable())
		return -ETIMEDOUT;
	nfs = nfs_init_context();
	if (!nfs)
		return -ENOMEM;
	/* Ports have no function of their own in every libnfs. */
	snprintf(url, sizeof(url), "nfs://%s/?version=%d%s%.0d%s%.0d", wanted.server, wanted.version,
		 wanted.port ? "&nfsport=" : "", wanted.port, wanted.mount_port ? "&mountport=" : "", wanted.mount_port);
	parsed = nfs_parse_url_incomplete(nfs, url);
	if (parsed)
		nfs_destroy_url(parsed);
	nfs_set_version(nfs, wanted.version);
	nfs_set_timeout(nfs, REQUEST);
	nfs_set_autoreconnect(nfs, 0);
	nfs_set_uid(nfs, 0);
	nfs_set_gid(nfs, 0);
	nfs_umask(nfs, 0);
	result = nfs_mount(nfs, wanted.server, wanted.path);
	if (result) {
		if (!session)
			complain("%s", nfs_get_error(nfs));
		abandon();
		return result < 0 ? result : -EIO;
	}
	return 0;
}

/* Whether an error is the file system's answer and not the connection's. */
static bool is_answer(int error)
{
	switch (-error) {
	case EACCES: case EDQUOT: case EEXIST: case EFBIG: case EISDIR: case ELOOP: case EMLINK: case ENAMETOOLONG: case ENOENT:
	case ENOSPC: case ENOSYS: case ENOTDIR: case ENOTEMPTY: case EOPNOTSUPP: case EPERM: case EROFS: case EXDEV:
		return true;
	default:
		return false;
	}
}

/* Wait for some time, and end when the mount was forced away meanwhile. */
static void wait_for_server(void)
{
	struct pollfd device = {.fd = fuse_session_fd(session), .events = 0};

	if (poll(&device, 1, PAUSE) > 0 && device.revents & (POLLERR | POLLHUP | POLLNVAL))
		_exit(0);
}

typedef int (*operation)(void *arguments);

/* Do an operation on the server until it has answered. */
static int served(operation run, void *arguments)
{
	struct timespec begin, now;
	int again = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		int result;

		pthread_mutex_lock(&connection);
		result = nfs ? 0 : connect_server();
		if (!result)
			result = run(arguments);
		if (result < 0 && !is_answer(result))
			abandon();
		pthread_mutex_unlock(&connection);
		if (result >= 0 || is_answer(result))
			return result;
		/* Who is killed does not wait, as with NFS of the kernel. */
		if (fuse_interrupted())
			return -EINTR;
		/* What a server that was restarted says of what it has forgotten, and what is simply wrong, may be the same. */
		if ((result == -EINVAL || result == -ESTALE) && again++ > 1)
			return result;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (wanted.soft && (now.tv_sec - begin.tv_sec) * 10 > (long)wanted.timeo * (wanted.retrans + 1))
			return -EIO;
		wait_for_server();
	}
}

/* The arguments of all operations. */
struct call {
	const char *path;
	const char *other;
	char *buffer;
	size_t size;
	off_t offset;
	int flags;
	unsigned int mode;
	unsigned int uid, gid;
	const struct timespec *times;
	struct nfs_stat_64 *found;
	struct statvfs *space;
	fuse_fill_dir_t fill;
	void *list;
};

/* One compound of version 4 that is under way. */
struct compound {
	bool done;
	int result;
	char *buffer;
	size_t size;
};

/* The status of a compound as -errno. What passes, as a server's grace period does, is -EAGAIN. */
static int status_of(nfsstat4 status)
{
	if (status == NFS4ERR_DELAY || status == NFS4ERR_GRACE || status == NFS4ERR_RESOURCE || status == NFS4ERR_SERVERFAULT)
		return -EAGAIN;
	return status < 200 ? -(int)status : -ESTALE;
}

static void answered(struct rpc_context *rpc, int status, void *data, void *private)
{
	struct compound *one = private;
	COMPOUND4res *found = data;
	nfs_resop4 *last;

	(void)rpc;
	one->done = true;
	one->result = -EAGAIN;
	if (status != RPC_STATUS_SUCCESS)
		return;
	one->result = status_of(found->status);
	if (one->result || !found->resarray.resarray_len)
		return;
	last = &found->resarray.resarray_val[found->resarray.resarray_len - 1];
	if (last->resop == OP_READ) {
		READ4resok *read = &last->nfs_resop4_u.opread.READ4res_u.resok4;

		one->result = read->data.data_len < one->size ? read->data.data_len : one->size;
		memcpy(one->buffer, read->data.data_val, one->result);
	} else if (last->resop == OP_WRITE) {
		one->result = last->nfs_resop4_u.opwrite.WRITE4res_u.resok4.count;
	}
}

/* Do one operation of version 4 on a path of the export. */
static int do_compound(const char *path, nfs_argop4 *operation, char *buffer, size_t size)
{
	struct compound one = {.buffer = buffer, .size = size};
	nfs_argop4 operations[DEEPEST];
	COMPOUND4args arguments = {.minorversion = 0};
	char whole[2 * PATH_MAX];
	unsigned int count = 0;
	struct timespec begin, now;

	memset(operations, 0, sizeof(operations));
	operations[count++].argop = OP_PUTROOTFH;
	snprintf(whole, sizeof(whole), "%s/%s", wanted.path, path);
	for (char *rest = whole, *part; (part = strsep(&rest, "/"));) {
		component4 *name;

		if (!*part)
			continue;
		if (count + 1 == DEEPEST)
			return -ENAMETOOLONG;
		operations[count].argop = OP_LOOKUP;
		name = &operations[count++].nfs_argop4_u.oplookup.objname;
		name->utf8string_val = part;
		name->utf8string_len = strlen(part);
	}
	operations[count++] = *operation;
	arguments.argarray.argarray_val = operations;
	arguments.argarray.argarray_len = count;
	if (rpc_nfs4_compound_async(nfs_get_rpc_context(nfs), answered, &arguments, &one))
		return -EAGAIN;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!one.done) {
		struct pollfd socket = {.fd = nfs_get_fd(nfs), .events = nfs_which_events(nfs)};

		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - begin.tv_sec) * 1000 > REQUEST || poll(&socket, 1, PAUSE) < 0 ||
		    nfs_service(nfs, socket.revents) < 0) {
			abandon();
			return -EAGAIN;
		}
	}
	return one.result;
}

/* Set attributes (RFC 7530, 5.5) in the order of their numbers. */
struct attributes {
	uint32_t mask[2];
	char values[256];
	unsigned int used;
};

static void put(struct attributes *to, const void *value, unsigned int size)
{
	memcpy(to->values + to->used, value, size);
	to->used += size;
}

static void put_number(struct attributes *to, uint32_t value)
{
	unsigned char bytes[] = {value >> 24, value >> 16, value >> 8, value};

	put(to, bytes, sizeof(bytes));
}

static void add(struct attributes *to, int number)
{
	to->mask[number / 32] |= 1u << number % 32;
}

static void add_id(struct attributes *to, int number, unsigned int id)
{
	char text[16] = "";
	unsigned int length = snprintf(text, sizeof(text), "%u", id);

	add(to, number);
	put_number(to, length);
	put(to, text, (length + 3) / 4 * 4);
}

static void add_time(struct attributes *to, int number, const struct timespec *when)
{
	add(to, number);
	if (when->tv_nsec == UTIME_NOW) {
		put_number(to, SET_TO_SERVER_TIME4);
		return;
	}
	put_number(to, SET_TO_CLIENT_TIME4);
	put_number(to, (uint64_t)when->tv_sec >> 32);
	put_number(to, when->tv_sec);
	put_number(to, when->tv_nsec);
}

static int set_attributes(const char *path, struct attributes *attributes)
{
	nfs_argop4 operation = {.argop = OP_SETATTR};
	fattr4 *set = &operation.nfs_argop4_u.opsetattr.obj_attributes;

	set->attrmask.bitmap4_len = 2;
	set->attrmask.bitmap4_val = attributes->mask;
	set->attr_vals.attrlist4_len = attributes->used;
	set->attr_vals.attrlist4_val = attributes->values;
	return do_compound(path, &operation, NULL, 0);
}

static int set_owner(const char *path, unsigned int uid, unsigned int gid)
{
	struct attributes attributes = {.used = 0};

	if (wanted.version == 3)
		return nfs_lchown(nfs, path, uid, gid);
	add_id(&attributes, FATTR4_OWNER, uid);
	add_id(&attributes, FATTR4_OWNER_GROUP, gid);
	return set_attributes(path, &attributes);
}

static int do_stat(void *data)
{
	struct call *call = data;

	return nfs_lstat64(nfs, call->path, call->found);
}

static int op_getattr(const char *path, struct stat *found, struct fuse_file_info *file)
{
	struct nfs_stat_64 remote;
	struct call call = {.path = path, .found = &remote};
	int result = served(do_stat, &call);

	(void)file;
	if (result)
		return result;
	memset(found, 0, sizeof(*found));
	found->st_ino = remote.nfs_ino;
	found->st_mode = remote.nfs_mode;
	found->st_nlink = remote.nfs_nlink;
	found->st_uid = remote.nfs_uid;
	found->st_gid = remote.nfs_gid;
	found->st_rdev = remote.nfs_rdev;
	found->st_size = remote.nfs_size;
	found->st_blksize = remote.nfs_blksize;
	found->st_blocks = (remote.nfs_used + 511) / 512;
	found->st_atim = (struct timespec){remote.nfs_atime, remote.nfs_atime_nsec};
	found->st_mtim = (struct timespec){remote.nfs_mtime, remote.nfs_mtime_nsec};
	found->st_ctim = (struct timespec){remote.nfs_ctime, remote.nfs_ctime_nsec};
	return 0;
}

static int do_readlink(void *data)
{
	struct call *call = data;

	return nfs_readlink(nfs, call->path, call->buffer, call->size);
}

static int op_readlink(const char *path, char *buffer, size_t size)
{
	struct call call = {.path = path, .buffer = buffer, .size = size};

	return served(do_readlink, &call);
}

static int do_readdir(void *data)
{
	struct call *call = data;
	struct nfsdir *directory;
	struct nfsdirent *entry;
	int result = nfs_opendir(nfs, call->path, &directory);

	if (result)
		return result;
	while ((entry = nfs_readdir(nfs, directory)))
		call->fill(call->list, entry->name, NULL, 0, 0);
	nfs_closedir(nfs, directory);
	return 0;
}

static int op_readdir(const char *path, void *list, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *file,
		      enum fuse_readdir_flags flags)
{
	struct call call = {.path = path, .list = list, .fill = fill};

	(void)offset;
	(void)file;
	(void)flags;
	return served(do_readdir, &call);
}

/* What root of this host has made belongs to whom it was made for. In a directory with its set-group-ID bit, the group is
 * the directory's, as the server has made it. */
static int give(const char *path, unsigned int uid, unsigned int gid)
{
	struct nfs_stat_64 found, parent;
	char directory[PATH_MAX];
	char *slash;

	if (nfs_lstat64(nfs, path, &found))
		return 0;
	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	slash[slash == directory] = '\0';
	if (!nfs_lstat64(nfs, directory, &parent) && parent.nfs_mode & S_ISGID)
		gid = parent.nfs_gid;
	if (found.nfs_uid == uid && found.nfs_gid == gid)
		return 0;
	return set_owner(path, uid, gid);
}

static int do_mkdir(void *data)
{
	struct call *call = data;
	int result = nfs_mkdir2(nfs, call->path, call->mode);

	return result ? result : give(call->path, call->uid, call->gid);
}

static int do_create(void *data)
{
	struct call *call = data;
	struct nfsfh *file;
	int result = nfs_creat(nfs, call->path, call->mode, &file);

	if (result)
		return result;
	nfs_close(nfs, file);
	/* libnfs 4 makes files of version 4 with a mode of its own. */
	if (wanted.version == 4) {
		struct attributes attributes = {.used = 0};

		add(&attributes, FATTR4_MODE);
		put_number(&attributes, call->mode);
		result = set_attributes(call->path, &attributes);
		if (result)
			return result;
	}
	return give(call->path, call->uid, call->gid);
}

static int do_symlink(void *data)
{
	struct call *call = data;
	int result = nfs_symlink(nfs, call->other, call->path);

	return result ? result : give(call->path, call->uid, call->gid);
}

static int made(operation run, struct call *call)
{
	struct fuse_context *caller = fuse_get_context();

	call->uid = caller->uid;
	call->gid = caller->gid;
	return served(run, call);
}

static int op_mkdir(const char *path, mode_t mode)
{
	struct call call = {.path = path, .mode = mode & 07777};

	return made(do_mkdir, &call);
}

static int op_create(const char *path, mode_t mode, struct fuse_file_info *file)
{
	struct call call = {.path = path, .mode = mode & 07777};

	(void)file;
	return made(do_create, &call);
}

static int op_symlink(const char *target, const char *path)
{
	struct call call = {.path = path, .other = target};

	return made(do_symlink, &call);
}

static int do_unlink(void *data)
{
	return nfs_unlink(nfs, ((struct call *)data)->path);
}

static int op_unlink(const char *path)
{
	struct call call = {.path = path};

	return served(do_unlink, &call);
}

static int do_rmdir(void *data)
{
	return nfs_rmdir(nfs, ((struct call *)data)->path);
}

static int op_rmdir(const char *path)
{
	struct call call = {.path = path};

	return served(do_rmdir, &call);
}

static int do_rename(void *data)
{
	struct call *call = data;

	return nfs_rename(nfs, call->path, call->other);
}

static int op_rename(const char *path, const char *other, unsigned int flags)
{
	struct call call = {.path = path, .other = other};

	return flags ? -EINVAL : served(do_rename, &call);
}

static int do_link(void *data)
{
	struct call *call = data;

	return nfs_link(nfs, call->path, call->other);
}

static int op_link(const char *path, const char *other)
{
	struct call call = {.path = path, .other = other};

	return served(do_link, &call);
}

static int do_chmod(void *data)
{
	struct call *call = data;
	struct attributes attributes = {.used = 0};

	if (wanted.version == 3)
		return nfs_chmod(nfs, call->path, call->mode);
	add(&attributes, FATTR4_MODE);
	put_number(&attributes, call->mode);
	return set_attributes(call->path, &attributes);
}

static int op_chmod(const char *path, mode_t mode, struct fuse_file_info *file)
{
	struct call call = {.path = path, .mode = mode & 07777};

	(void)file;
	return served(do_chmod, &call);
}

static int do_chown(void *data)
{
	struct call *call = data;
	struct nfs_stat_64 found;
	int result = nfs_lstat64(nfs, call->path, &found);

	if (result)
		return result;
	return set_owner(call->path, call->uid == (unsigned int)-1 ? found.nfs_uid : call->uid,
			 call->gid == (unsigned int)-1 ? found.nfs_gid : call->gid);
}

static int op_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *file)
{
	struct call call = {.path = path, .uid = uid, .gid = gid};

	(void)file;
	return served(do_chown, &call);
}

static int do_truncate(void *data)
{
	struct call *call = data;
	struct attributes attributes = {.used = 0};

	if (wanted.version == 3)
		return nfs_truncate(nfs, call->path, call->offset);
	add(&attributes, FATTR4_SIZE);
	put_number(&attributes, (uint64_t)call->offset >> 32);
	put_number(&attributes, call->offset);
	return set_attributes(call->path, &attributes);
}

static int op_truncate(const char *path, off_t size, struct fuse_file_info *file)
{
	struct call call = {.path = path, .offset = size};

	(void)file;
	return served(do_truncate, &call);
}

static int do_utimens(void *data)
{
	struct call *call = data;
	struct attributes attributes = {.used = 0};
	struct nfs_stat_64 found;
	struct timeval times[2];
	int result;

	if (wanted.version == 4) {
		if (call->times[0].tv_nsec != UTIME_OMIT)
			add_time(&attributes, FATTR4_TIME_ACCESS_SET, &call->times[0]);
		if (call->times[1].tv_nsec != UTIME_OMIT)
			add_time(&attributes, FATTR4_TIME_MODIFY_SET, &call->times[1]);
		return attributes.used ? set_attributes(call->path, &attributes) : 0;
	}
	result = nfs_lstat64(nfs, call->path, &found);
	if (result)
		return result;
	for (int i = 0; i < 2; i++) {
		if (call->times[i].tv_nsec == UTIME_NOW) {
			gettimeofday(&times[i], NULL);
		} else if (call->times[i].tv_nsec == UTIME_OMIT) {
			times[i].tv_sec = i ? found.nfs_mtime : found.nfs_atime;
			times[i].tv_usec = (i ? found.nfs_mtime_nsec : found.nfs_atime_nsec) / 1000;
		} else {
			times[i].tv_sec = call->times[i].tv_sec;
			times[i].tv_usec = call->times[i].tv_nsec / 1000;
		}
	}
	return nfs_lutimes(nfs, call->path, times);
}

static int op_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *file)
{
	struct call call = {.path = path, .times = times};

	(void)file;
	return served(do_utimens, &call);
}

static int op_open(const char *path, struct fuse_file_info *file)
{
	struct nfs_stat_64 remote;
	struct call call = {.path = path, .found = &remote};

	(void)file;
	return served(do_stat, &call);
}

static int do_read(void *data)
{
	struct call *call = data;
	nfs_argop4 operation = {.argop = OP_READ};
	struct nfsfh *file;
	int result;

	if (wanted.version == 4) {
		operation.nfs_argop4_u.opread.offset = call->offset;
		operation.nfs_argop4_u.opread.count = call->size;
		return do_compound(call->path, &operation, call->buffer, call->size);
	}
	result = nfs_open(nfs, call->path, O_RDONLY, &file);
	if (result)
		return result;
	result = nfs_pread(nfs, file, call->offset, call->size, call->buffer);
	nfs_close(nfs, file);
	return result;
}

static int op_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct call call = {.path = path, .buffer = buffer, .size = size, .offset = offset};

	(void)file;
	return served(do_read, &call);
}

/* Data is on the server's disk when it answers, as nothing is cached here. */
static int do_write(void *data)
{
	struct call *call = data;
	struct nfsfh *file;
	int closed, result;

	if (wanted.version == 4) {
		nfs_argop4 operation = {.argop = OP_WRITE};
		WRITE4args *write = &operation.nfs_argop4_u.opwrite;

		write->offset = call->offset;
		write->stable = FILE_SYNC4;
		write->data.data_val = call->buffer;
		write->data.data_len = call->size < CHUNK ? call->size : CHUNK;
		return do_compound(call->path, &operation, NULL, 0);
	}
	result = nfs_open(nfs, call->path, O_WRONLY | O_SYNC, &file);
	if (result)
		return result;
	result = nfs_pwrite(nfs, file, call->offset, call->size, call->buffer);
	if (result >= 0) {
		int synced = nfs_fsync(nfs, file);

		if (synced < 0)
			result = synced;
	}
	closed = nfs_close(nfs, file);
	return result >= 0 && closed < 0 ? closed : result;
}

static int op_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct call call = {.path = path, .buffer = (char *)buffer, .size = size, .offset = offset};

	(void)file;
	/* What was written before a server went away is not written again. */
	while (call.size) {
		int result = served(do_write, &call);

		if (result < 0)
			return result;
		call.buffer += result;
		call.offset += result;
		call.size -= result;
	}
	return size;
}

static int op_fsync(const char *path, int only_data, struct fuse_file_info *file)
{
	(void)path;
	(void)only_data;
	(void)file;
	return 0;
}

static int do_statfs(void *data)
{
	struct call *call = data;

	return nfs_statvfs(nfs, call->path, call->space);
}

static int op_statfs(const char *path, struct statvfs *space)
{
	struct call call = {.path = path, .space = space};

	return served(do_statfs, &call);
}

static void *op_init(struct fuse_conn_info *kernel, struct fuse_config *config)
{
	(void)kernel;
	/* Others write, too: a reader on another node sees what was written when it opens a file. */
	config->use_ino = 1;
	config->entry_timeout = 0;
	config->attr_timeout = 0;
	config->negative_timeout = 0;
	config->direct_io = 0;
	config->kernel_cache = 0;
	return NULL;
}

static const struct fuse_operations operations = {
	.init = op_init,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.readdir = op_readdir,
	.mkdir = op_mkdir,
	.create = op_create,
	.symlink = op_symlink,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.link = op_link,
	.chmod = op_chmod,
	.chown = op_chown,
	.truncate = op_truncate,
	.utimens = op_utimens,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.statfs = op_statfs,
};

/* Options that FUSE's kernel side takes as they are. */
static bool is_generic(const char *name)
{
	static const char *const known[] = {"ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime",
					    "dirsync", "sync", "async"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(name, known[i]))
			return true;
	return false;
}

/* Read options of nfs(5). Those of a kernel client that mean nothing here are ignored. */
static int read_options(char *text, char *generic, size_t room)
{
	for (char *rest = text, *name; (name = strsep(&rest, ","));) {
		char *value = strchr(name, '=');

		if (value)
			*value++ = '\0';
		if (is_generic(name)) {
			size_t used = strlen(generic);

			snprintf(generic + used, room - used, ",%s", name);
		} else if (!strcmp(name, "soft") || !strcmp(name, "hard")) {
			wanted.soft = *name == 's';
		} else if (value && (!strcmp(name, "nfsvers") || !strcmp(name, "vers"))) {
			wanted.version = atoi(value);
			if (wanted.version != 3 && wanted.version != 4) {
				complain("version %s is not supported, expected 3 or 4", value);
				return USAGE;
			}
		} else if (value && !strcmp(name, "port")) {
			wanted.port = atoi(value);
		} else if (value && !strcmp(name, "mountport")) {
			wanted.mount_port = atoi(value);
		} else if (value && !strcmp(name, "timeo")) {
			wanted.timeo = atoi(value);
		} else if (value && !strcmp(name, "retrans")) {
			wanted.retrans = atoi(value);
		} else if (value && !strcmp(name, "sec") && strcmp(value, "sys")) {
			complain("sec=%s is not supported, expected sys", value);
			return USAGE;
		}
	}
	return 0;
}

/* SERVER:PATH, where the server may be an IPv6 address in brackets. */
static int read_source(char *source)
{
	char *colon = *source == '[' ? strstr(source, "]:") : strchr(source, ':');

	if (!colon) {
		complain("%s: expected SERVER:PATH", source);
		return USAGE;
	}
	if (*source == '[') {
		*colon++ = '\0';
		source++;
	}
	*colon++ = '\0';
	wanted.server = source;
	wanted.path = colon;
	return 0;
}

int main(int argc, char **argv)
{
	char generic[1024] = "allow_other,default_permissions,subtype=nfs";
	char name[PATH_MAX], fsname[PATH_MAX + 16], limited[sizeof(generic) + sizeof(fsname) + 2];
	char *source = NULL, *target = NULL;
	bool dry_run = false;
	int result;

	snprintf(name, sizeof(name), "%s", argv[0]);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-o") && i + 1 < argc) {
			result = read_options(argv[++i], generic, sizeof(generic));
			if (result)
				return result;
		} else if ((!strcmp(argv[i], "-t") || !strcmp(argv[i], "-N")) && i + 1 < argc) {
			i++;
		} else if (argv[i][0] == '-') {
			dry_run = dry_run || strchr(argv[i], 'f');
			if (strchr(argv[i], 'r'))
				snprintf(generic + strlen(generic), sizeof(generic) - strlen(generic), ",ro");
		} else if (!source) {
			source = argv[i];
		} else if (!target) {
			target = argv[i];
		}
	}
	if (!source || !target) {
		complain("usage: mount.nfs SERVER:PATH DIRECTORY [-sfnvrw] [-o OPTIONS]");
		return USAGE;
	}
	snprintf(fsname, sizeof(fsname), "fsname=%s", source);
	if (read_source(source))
		return USAGE;
	if (dry_run)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	/* As mount.nfs does: in the foreground for two minutes, unless the server refuses. */
	for (int tries = 0;; tries++) {
		result = connect_server();
		if (!result)
			break;
		if (is_answer(result) || result == -EINVAL || tries > 11) {
			complain("%s for %s:%s on %s", result == -EACCES || result == -EPERM || result == -ENOENT
					 ? "access denied by server" : strerror(-result),
				 wanted.server, wanted.path, target);
			return MOUNT_FAILED;
		}
		sleep(result == -ETIMEDOUT ? 1 : 5);
	}
	/* A comma in the name of the source would be an option. */
	for (char *c = fsname; *c; c++)
		if (*c == ',')
			*c = '_';
	snprintf(limited, sizeof(limited), "%s,%s", generic, fsname);
	{
		char *arguments[] = {name, "-o", limited, NULL};
		struct fuse_args args = FUSE_ARGS_INIT(3, arguments);
		struct fuse_loop_config threads = {.clone_fd = 0, .max_idle_threads = 4};
		struct fuse *fuse = fuse_new(&args, &operations, sizeof(operations), NULL);

		if (!fuse)
			return MOUNT_FAILED;
		session = fuse_get_session(fuse);
		if (fuse_mount(fuse, target)) {
			complain("%s could not be mounted", target);
			return MOUNT_FAILED;
		}
		/* The caller goes on; what it has waits for this process no more. */
		if (fuse_daemonize(0))
			return MOUNT_FAILED;
		/* Threads, so that an interrupt arrives while others wait. */
		result = fuse_loop_mt(fuse, &threads);
		return result ? 1 : 0;
	}
}
