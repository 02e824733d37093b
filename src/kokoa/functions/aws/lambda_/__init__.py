"""AWS Lambda: functions, their code, policies and invocations."""
