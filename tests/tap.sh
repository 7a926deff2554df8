# Helpers for tests written in shell: source this, call `t` once per check, then `t_done`.
# Each test gets a scratch directory, $T, that is removed at the end.
#
#   t 'name as a sentence' command arg…    passes when the command succeeds; its output is
#                                          shown, as TAP comments, when it does not
#   t_skip 'name' 'reason'
#
# shellcheck shell=sh

t_count=0
t_failed=0
ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

t() {
    t_name=$1
    shift
    t_count=$((t_count + 1))
    if ("$@") >"$T/.output" 2>&1; then
        echo "ok $t_count - $t_name"
    else
        t_failed=$((t_failed + 1))
        echo "not ok $t_count - $t_name"
        sed 's/^/# /' "$T/.output"
    fi
}

t_skip() {
    t_count=$((t_count + 1))
    echo "ok $t_count - $1 # SKIP $2"
}

t_done() {
    echo "1..$t_count"
    [ "$t_failed" = 0 ] || exit 1
    exit 0
}

# exits CODE command arg…: the command must end with exactly this status.
exits() {
    t_want=$1
    shift
    t_got=0
    "$@" || t_got=$?
    [ "$t_got" = "$t_want" ] || {
        echo "exit status $t_got, wanted $t_want: $*"
        return 1
    }
}

# says TEXT command arg…: the output, both streams, contains TEXT.
says() {
    t_want=$1
    shift
    t_got=$("$@" 2>&1) || :
    case $t_got in
    *"$t_want"*) ;;
    *)
        printf 'wanted "%s" in:\n%s\n' "$t_want" "$t_got"
        return 1
        ;;
    esac
}
