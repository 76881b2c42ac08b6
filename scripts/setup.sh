#!/usr/bin/env bash
# Looks for what the tests use besides Go, and installs what is missing when run as root on Debian
# or its children. Elsewhere it says what will be left out; with CI=true that is a failure.
set -euo pipefail

apt=()     # Debian packages to install
missing=() # what is not there, and what that costs

# need <what it says without> <Debian packages> <programs, one of which is enough>
need() {
	local what=$1 packages=$2 program
	shift 2
	for program in "$@"; do
		if command -v "$program" >/dev/null; then return; fi
	done
	missing+=("$what")
	read -ra packages <<<"$packages"
	apt+=("${packages[@]}")
}

look() {
	apt=() missing=()
	need "no C compiler, so no race detector" "gcc libc6-dev" "${CC:-gcc}"
	need "no Chromium, so no browser tests" "chromium" chromium chromium-browser google-chrome
	need "no node, so no tests with JavaScript clients" "nodejs" node
	need "no npm, so no tests with JavaScript clients" "npm" npm
	need "no Redis, so no tests that kill it" "redis-server" redis-server
	need "no RabbitMQ, so no tests with it" "rabbitmq-server" /usr/lib/rabbitmq/bin/rabbitmq-server
	need "no ActiveMQ, so no tests with it" "activemq" /usr/bin/activemq
}

look
if [[ ${#missing[@]} -eq 0 ]]; then
	echo "setup: nothing to install"
	exit
fi
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
	echo "setup: installing with apt-get: ${apt[*]}"
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # the tests start their own servers: no service has to run
	apt-get -qq update </dev/null || true # the install below says whether it mattered
	apt-get -qq install -y --no-install-recommends "${apt[@]}" </dev/null >/dev/null || true
	look
fi
if [[ ${#missing[@]} -eq 0 ]]; then exit; fi
for what in "${missing[@]}"; do
	echo "setup: $what"
done
if [[ ${CI:-} == true ]]; then
	echo "setup: CI=true, so nothing may be left out" >&2
	exit 1
fi
