#!/usr/bin/env bash
# What a pipeline does with a platform, for any CI: check, deploy, drift, upgrade. README.md beside this says the rest.
# No command line here holds a secret: they come by the environment, and nothing prints that.
set -euo pipefail

: "${MOORAGE_FILE:=.}"        # the specification: a file, or a directory of them
: "${MOORAGE_PLAN:=plan.json}" # where `check` leaves the plan, and `deploy` finds it
: "${MOORAGE_STATE:?where the state is that runners share, such as s3://BUCKET/FOLDER?region=REGION}"
: "${MOORAGE_SECRETS_PROVIDER:=}" # awskms://...; without one:
[ -n "$MOORAGE_SECRETS_PROVIDER" ] || : "${MOORAGE_PASSPHRASE:?what the secrets in that state are encrypted with}"
export MOORAGE_SECRETS_PROVIDER

usage() {
	echo "usage: ${0##*/} check | deploy | drift | upgrade RELEASE" >&2
	exit 64
}

# Writes the plan, and how it reads as a comment. Ends with 0 when there is nothing to do, with 2 otherwise.
plan() {
	local status=0
	moorage preview -f "$MOORAGE_FILE" --detailed-exitcode --save "$MOORAGE_PLAN" || status=$?
	case $status in
	0 | 2) moorage plan show "$MOORAGE_PLAN" -f "$MOORAGE_FILE" -o markdown >"${MOORAGE_PLAN%.json}.md" || status=1 ;;
	esac
	return "$status"
}

case "${1-}" in
check) # on each change: changes are no failure
	plan || { status=$?; [ "$status" -eq 2 ] || exit "$status"; }
	;;
deploy) # after the merge: the plan that was read, or what is left of it after a runner that was killed; nothing else
	moorage up -f "$MOORAGE_FILE" --plan "$MOORAGE_PLAN" --yes
	;;
drift) # by the clock: the platform is as the specification says, or this fails with 2 and says what differs
	plan
	;;
upgrade) # by hand: release by release, the canary of spec.upgrades first
	[ $# -eq 2 ] || usage
	moorage upgrade -f "$MOORAGE_FILE" --to "$2" --yes
	;;
*) usage ;;
esac
