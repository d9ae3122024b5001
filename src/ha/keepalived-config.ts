// A configuration of keepalived in which the address follows the leader, never the other way round: every machine is a
// backup, nobody takes the address back, and only the machine whose master says that it leads may have it.

export interface KeepalivedOptions {
  /** `192.168.1.99/24` */
  virtualAddress: string
  device: string
  ownAddress: string
  /** Own addresses of the other masters. */
  peers: readonly string[]
  /** 1..255, another one on each machine. */
  priority: number
  /** 1..255, the same on all machines, used by no other keepalived in the network. */
  routerId: number
  /** DATA_PATH of the master. */
  dataFolder: string
  /** With HA_MODE = keepalived: the beginning of a command line of mfsha. */
  mfsha?: string
}

/** Fresh for so long: the master writes the file twice a second. */
const FRESH_SECONDS = 2

/**
 * A check that takes longer has failed. On a busy machine one takes more than a second now and then; an address that goes
 * for that is away when clients try again, and they do so seldom enough to run into their own time-out of 10 s.
 */
const CHECK_SECONDS = 3

/**
 * Who has the address says so that often. A former holder that is not heard says it has it as long as it hears of another
 * one, and whoever believes its last word sends packets there until it hears better.
 */
const ANNOUNCE_SECONDS = 1

/** The check as one line of shell: the file says "does not lead", or the master that wrote it is alive. */
export function leaderCheck(dataFolder: string): string {
  const file = `${dataFolder}/not-leader`
  const age = `$(( $(date +%s) - $(stat -c %Y ${file}) ))`
  return `/bin/sh -c 'read value < ${file} && { [ "$value" = 1 ] || [ ${age} -le ${FRESH_SECONDS} ]; }'`
}

/**
 * Keepalived says who leads: whoever gets the address, and only as long as he has it. What it says may come late, so mfsha
 * looks where the address is by then.
 */
function notifyLines(mfsha: string, virtualAddress: string): string {
  const lines = [`notify_master "${mfsha} promote --address ${virtualAddress}"`]
  for (const state of ['backup', 'fault']) lines.push(`notify_${state} "${mfsha} demote --address ${virtualAddress}"`)
  lines.push(`notify_stop "${mfsha} demote"`)
  return lines.map(line => `\n    ${line}`).join('')
}

export function keepalivedConfig(options: KeepalivedOptions): string {
  const { virtualAddress, device, ownAddress, peers, priority, routerId, dataFolder, mfsha } = options
  return `# Made by mfsha keepalived-config. The same on all masters but for priority, unicast_src_ip and unicast_peer.
global_defs {
    vrrp_version 3
    vrrp_garp_master_refresh ${ANNOUNCE_SECONDS}
    enable_script_security
    script_user root
}

# 0: the master on this machine ${mfsha === undefined ? 'leads' : 'leads or could lead'}. Written by the master itself.
track_file elkfs_role {
    file ${dataFolder}/not-leader
    weight 0
    init_file 1
}

# And the master that says so is alive: one that hangs writes nothing.
vrrp_script elkfs_lives {
    script "${leaderCheck(dataFolder).replaceAll('"', '\\"')}"
    interval 1
    timeout ${CHECK_SECONDS}
    fall 1
    rise 1
    weight 0
}

vrrp_instance ELKFS {
    state BACKUP
    nopreempt
    interface ${device}
    virtual_router_id ${routerId}
    priority ${priority}
    advert_int 0.1
    unicast_src_ip ${ownAddress}
    unicast_peer {
${peers.map(peer => `        ${peer}`).join('\n')}
    }
    track_file {
        elkfs_role
    }
    track_script {
        elkfs_lives
    }
    virtual_ipaddress {
        ${virtualAddress} dev ${device}
    }${mfsha === undefined ? '' : notifyLines(mfsha, virtualAddress)}
}`
}
