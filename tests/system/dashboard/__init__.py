"""Stories about the dashboard, told through HTTP and through a browser."""
