#!/bin/bash
if [ `ip addr | grep 192.168.1.99 | wc -l` -eq 1 ]; then
    mfsmaster stop
    rm -f /var/lib/mfs/*
    rsync -e ssh -avpgolr 192.168.1.9:/var/lib/mfs/ /var/lib/mfs/
    mfsmetarestore -m
    mfsmaster -ai
fi
