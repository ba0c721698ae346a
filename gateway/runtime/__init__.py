"""Long-lived objects that wrap a core machine: they hold state, wait and talk; the rules are below."""
