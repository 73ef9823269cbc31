"""What the people who run workers see of them: metrics, health, logs, traces, and who may look."""
