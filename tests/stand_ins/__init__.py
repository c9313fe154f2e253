"""Providers that are not there: small real servers on loopback that speak as they do and note what they got."""
