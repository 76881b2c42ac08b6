#!/usr/bin/env bash
# Runs every fuzz target of every module for a time each: scripts/fuzz.sh 5s
set -euo pipefail
fuzztime=${1:-5s}

# fuzz runs one target. The go command may call the end of the time a failure
# (go.dev/issue/75804): where there is no failing input it is asked again.
fuzz() {
	local said
	for _ in 1 2 3; do
		if said=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzztime" "$1" </dev/null 2>&1); then
			echo "$said"
			return
		fi
		if [[ $said != *"    context deadline exceeded"* || $said == *"Failing input"* ]]; then break; fi
		echo "fuzz: the time ran out with an error of the go command"
	done
	echo "$said"
	return 1
}

modules=$(go list -m -f '{{.Dir}}')
for module in $modules; do
	cd "$module"
	# The go command prints the names of a package's targets and then "ok <package> <time>".
	listed=$(go test -p 2 -list '^Fuzz' ./...)
	while read -r package target; do
		echo "fuzz: $package $target for $fuzztime"
		fuzz "$package" "$target"
	done < <(awk '/^Fuzz/ { names[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }' <<<"$listed")
done
