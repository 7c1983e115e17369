#!/bin/sh
# What became of the job named: running, success or failed; where the cluster gives no answer, the job is thought to run on. One that it has
# forgotten has ended: Snakemake then looks for its files, which are there as a whole or not at all.
case $(squeue --noheader --states=all --format=%T --jobs="$1" 2>&1) in
  COMPLETED | *"Invalid job id"*) echo success ;;
  BOOT_FAIL | CANCELLED | DEADLINE | FAILED | NODE_FAIL | OUT_OF_MEMORY | PREEMPTED | TIMEOUT) echo failed ;;
  *) echo running ;;
esac
