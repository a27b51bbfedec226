"""Payments: what a provider must do, and the providers that do it."""
