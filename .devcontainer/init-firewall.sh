#!/usr/bin/env bash
# Lets out what training and installing need, and drops the rest: Weights & Biases, and the package index that pip is
# configured to use. Addresses are looked up once, when the container starts; run it again when they have moved.
#
#   ALLOW="host other.host"   lets these through, too (give it on the command line of sudo)
set -euo pipefail
IFS=$'\n\t'

# The first up to wandb 0.30, the second from 0.31 on. Where the service puts files beside these, name it in ALLOW.
wandb_hosts=(api.wandb.ai api.forge.coreweave.com cdn.wandb.ai)

host_of() { # https://user@host:port/path -> host
    local rest=${1#*://}
    rest=${rest%%/*}
    rest=${rest##*@}
    printf '%s\n' "${rest%%:*}"
}

# What pip itself says that it uses: where it looks, and where the files lie that it would fetch from there.
index_hosts() {
    local report url
    report=$(python3 -m pip download --no-deps --no-cache-dir --dest "$(mktemp -d)" -vv msgspec 2>&1 || true)
    while read -r url; do
        host_of "$url"
    done < <(grep -Eo 'https?://[^ ,)#"]+' <<<"$report" || true)
}

mapfile -t hosts < <({
    printf '%s\n' "${wandb_hosts[@]}"
    [ -z "${WANDB_BASE_URL:-}" ] || host_of "$WANDB_BASE_URL"
    index_hosts
    tr ' ' '\n' <<<"${ALLOW:-}"
} | grep -E '^[A-Za-z0-9.-]+$' | sort -u)

# Names are resolved before anything is closed.
ipset create -exist allowed4 hash:ip family inet
ipset create -exist allowed6 hash:ip family inet6
for host in "${hosts[@]}"; do
    found=0
    while read -r address; do
        case $address in
            *:*) ipset add -exist allowed6 "$address" ;;
            *) ipset add -exist allowed4 "$address" ;;
        esac
        found=1
    done < <(getent ahosts "$host" | cut -d ' ' -f 1 | sort -u)
    if [ "$found" = 1 ]; then echo "allowed: $host"; else echo "not found: $host" >&2; fi
done

close() { # iptables or ip6tables, and the set of its addresses
    local tables=$1 set=$2 server
    "$tables" -F
    "$tables" -A INPUT -i lo -j ACCEPT
    "$tables" -A OUTPUT -o lo -j ACCEPT
    "$tables" -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    "$tables" -A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    while read -r server; do
        "$tables" -A OUTPUT -d "$server" -p udp --dport 53 -j ACCEPT
        "$tables" -A OUTPUT -d "$server" -p tcp --dport 53 -j ACCEPT
    done < <(name_servers "$tables")
    "$tables" -A OUTPUT -p tcp --dport 443 -m set --match-set "$set" dst -j ACCEPT
    "$tables" -A OUTPUT -p tcp -j REJECT --reject-with tcp-reset # refused at once, not after a timeout
    "$tables" -P INPUT DROP
    "$tables" -P FORWARD DROP
    "$tables" -P OUTPUT DROP
}

name_servers() { # of the family of these tables
    local wanted='^[0-9.]+$'
    [ "$1" = iptables ] || wanted=':'
    awk '$1 == "nameserver" { print $2 }' /etc/resolv.conf | grep -E "$wanted" || true
}

close iptables allowed4
close ip6tables allowed6

if timeout 5 bash -c 'exec 3<>/dev/tcp/example.com/443' 2>/dev/null; then
    echo "the firewall is open: example.com answers" >&2
    exit 1
fi
echo "closed, but for ${#hosts[@]} hosts"
