"""SSH to hosts: connections, host keys, scripts with streamed events, uploads, fan-out."""
