"""All that reaches into Faust and aiokafka beyond what they publish."""
