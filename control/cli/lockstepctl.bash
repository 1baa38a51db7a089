# Completion of lockstepctl for bash. Zones are asked from the running daemon.
_lockstepctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local -a socket=() words=()
	local i skip=0

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) socket=(-s "${COMP_WORDS[i + 1]}"); ((i++)) ;;
		-t | --timeout) ((i++)) ;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case $previous in
	-s | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	-t | --timeout) return ;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--socket --json --no-wait --describe --timeout --write --port --client --suffix --rcode --packets --seconds --snaplen --dnssec --bufsize --tcp --version --help' -- "$word")
		return
	fi
	case "${words[*]}" in
	'') mapfile -t COMPREPLY < <(compgen -W 'status zone stats offenders cookies tls key port capture trace stop help' -- "$word") ;;
	cookies | tls | key) mapfile -t COMPREPLY < <(compgen -W reload -- "$word") ;;
	port) mapfile -t COMPREPLY < <(compgen -W stats -- "$word") ;;
	zone) mapfile -t COMPREPLY < <(compgen -W 'status refresh retransfer notify timing accept reject rollback resume dump' -- "$word") ;;
	'zone status' | 'zone refresh' | 'zone retransfer' | 'zone notify' | 'zone timing' | 'zone accept' | 'zone reject' | 'zone rollback' | 'zone resume' | 'zone dump')
		mapfile -t COMPREPLY < <(compgen -W "$(lockstepctl "${socket[@]}" --timeout 2 zone status 2>/dev/null |
			awk 'NR > 1 { print $1 }')" -- "$word") ;;
	esac
}
complete -F _lockstepctl lockstepctl
