"""The written gateway, pools, tenants and keys documents, and what each problem in them is called."""
