"""How an invocation is timed, warmed up, controlled and interleaved with others."""
