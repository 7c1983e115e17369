#!/bin/sh
# What became of the job named: running, success or failed; where the cluster gives no answer, the job is thought to run on.
case $(squeue --noheader --states=all --format=%T --jobs="$1" 2>&1) in
  COMPLETED) echo success ;;
  BOOT_FAIL | CANCELLED | DEADLINE | FAILED | NODE_FAIL | OUT_OF_MEMORY | TIMEOUT | *"Invalid job id"*) echo failed ;;
  *) echo running ;;
esac
