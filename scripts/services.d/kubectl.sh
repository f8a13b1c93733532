# kubectl, a second client for our Kubernetes test server.
# shellcheck shell=bash disable=SC2154

missing() { packages kubectl kubernetes-client; }

is_up() { kubectl version --client >/dev/null 2>&1; }

environment() { echo "KUBECTL=$(command -v kubectl)"; }

start() { is_up || failed "kubectl is not installed, or does not run"; }
