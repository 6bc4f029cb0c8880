"""Nightly test automation for the Xen and KVM hypervisors."""

VERSION = "0.1"
