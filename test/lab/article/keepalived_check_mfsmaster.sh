#!/bin/bash
STATUS=`ps -C mfsmaster --no-header | wc -l`
if [ $STATUS -eq 0 ]; then
    mfsmaster start
    sleep 3
    if [ `ps -C mfsmaster --no-header | wc -l` -eq 0 ]; then
        killall -9 mfscgiserv
        killall -9 keepalived
    fi
fi
