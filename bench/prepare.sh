# shellcheck shell=bash
# Read by the programs of this folder: start() installs what is missing, builds, and runs NAME.py.
# Another build folder: LOCKSTEP_BUILD=folder.

bench=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$bench")
python=/usr/bin/python3 # Debian's own: the one that has python3-dnspython
export PYTHONDONTWRITEBYTECODE=1
case ${LOCKSTEP_BUILD:=$root/build} in
/*) ;;
*) LOCKSTEP_BUILD=$root/$LOCKSTEP_BUILD ;;
esac
export LOCKSTEP_BUILD

# What is built belongs to the person who called sudo, not to root.
as_caller() {
	if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
		runuser -u "$SUDO_USER" -- "$@"
	else
		"$@"
	fi
}

# $1: the program; $2: what it needs built; $3...: its arguments. Only help needs neither root nor a build.
start() {
	prepare "$@"
	local name=$1
	shift 2
	exec "$python" "$bench/$name.py" "$@"
}

prepare() {
	local name=$1 arg targets
	read -ra targets <<<"$2"
	shift 2
	for arg in "$@"; do
		case $arg in
		-h | --help) [ -x "$python" ] && return ;;
		esac
	done
	if [ "$(id -u)" -ne 0 ]; then
		echo "$name: network namespaces and packet sockets need root: sudo bench/$name $*" >&2
		exit 1
	fi
	echo "$name: packages: installing what is missing of tests/support/packages" >&2
	"$root/tests/support/install" >&2
	if [ "$name" = goals ]; then
		"$root/tests/support/install" "$bench/packages" >&2
	fi
	echo "$name: building in $LOCKSTEP_BUILD" >&2
	if [ ! -e "$LOCKSTEP_BUILD/build.ninja" ]; then
		as_caller meson setup "$LOCKSTEP_BUILD" "$root" >&2
	fi
	as_caller ninja -C "$LOCKSTEP_BUILD" "${targets[@]}" >&2
}
