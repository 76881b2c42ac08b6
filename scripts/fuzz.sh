#!/usr/bin/env bash
# Runs every fuzz target of every module for a time each: scripts/fuzz.sh 5s
set -euo pipefail
fuzztime=${1:-5s}

modules=$(go list -m -f '{{.Dir}}')
for module in $modules; do
	cd "$module"
	# The go command prints the names of a package's targets and then "ok <package> <time>".
	listed=$(go test -p 2 -list '^Fuzz' ./...)
	while read -r package target; do
		echo "fuzz: $package $target for $fuzztime"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" </dev/null
	done < <(awk '/^Fuzz/ { names[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' <<<"$listed")
done
