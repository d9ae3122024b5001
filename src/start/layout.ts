// What lies where in the data folder of `npm start`, and what its configuration files say.
//
//   elkfs.json          marks the folder as ours: { chunkservers: 3 }
//   etc/                configuration files, written at each start (exports.cfg only when it is missing)
//   master/             data folder of the master
//   chunkserver1/ ...   data folder of each chunkserver, with its chunks in chunks/
//   log/                what each process has to say
import { join } from 'node:path'
import { CHUNKSERVERS_MAX, MASTER_PORTS } from './options.ts'

export const HOST = '127.0.0.1'

export interface Layout {
  data: string
  basePort: number
  chunkservers: number
}

export const markFile = (data: string) => join(data, 'elkfs.json')
export const lockFile = (data: string) => join(data, '.npm-start.lock')
export const logFile = (data: string, name: string) => join(data, 'log', `${name}.log`)
export const configFile = (data: string, name: string) => join(data, 'etc', `${name}.cfg`)
export const exportsFile = (data: string) => configFile(data, 'exports')
export const masterFolder = (data: string) => join(data, 'master')
export const serverName = (number: number) => `chunkserver${number}`
export const serverFolder = (data: string, number: number) => join(data, serverName(number))
export const chunksFolder = (data: string, number: number) => join(serverFolder(data, number), 'chunks')

export const metaloggersPort = ({ basePort }: Layout) => basePort
export const serversPort = ({ basePort }: Layout) => basePort + 1
export const clientsPort = ({ basePort }: Layout) => basePort + 2
export const serverPort = ({ basePort }: Layout, number: number) => basePort + MASTER_PORTS + number - 1

/** The same, however many chunkservers there are. */
export const monitorPort = ({ basePort }: Layout) => basePort + MASTER_PORTS + CHUNKSERVERS_MAX

/** 1 up to the number of chunkservers. */
export function serverNumbers({ chunkservers }: Layout): number[] {
  return Array.from({ length: chunkservers }, (_, i) => i + 1)
}

/** Every port with what it is for. */
export function ports(layout: Layout): [port: number, purpose: string][] {
  return [
    [metaloggersPort(layout), 'the master, for metaloggers'],
    [serversPort(layout), 'the master, for chunkservers'],
    [clientsPort(layout), 'the master, for clients'],
    ...serverNumbers(layout).map((number): [number, string] => [serverPort(layout, number), serverName(number)]),
    [monitorPort(layout), 'the monitor'],
  ]
}

const HEADER = '# Written anew at each npm start.\n'

function lines(options: Readonly<Record<string, string | number>>): string {
  return (
    HEADER +
    Object.entries(options)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join('')
  )
}

/** Daemons started by root stay what they are: the data folder belongs to the one who starts. */
const identity = () => ({
  WORKING_USER: `#${process.getuid?.() ?? 0}`,
  WORKING_GROUP: `#${process.getgid?.() ?? 0}`,
})

export const exportsText = `# Who may mount: see docs/daemons.md. Yours to change; npm start only writes it when it is missing.
${HOST} / rw,alldirs,admin,maproot=0:0
${HOST} . rw
`

export function masterConfig(layout: Layout): string {
  return lines({
    DATA_PATH: masterFolder(layout.data),
    EXPORTS_FILENAME: exportsFile(layout.data),
    ...identity(),
    MATOML_LISTEN_HOST: HOST,
    MATOML_LISTEN_PORT: metaloggersPort(layout),
    MATOCS_LISTEN_HOST: HOST,
    MATOCS_LISTEN_PORT: serversPort(layout),
    MATOCL_LISTEN_HOST: HOST,
    MATOCL_LISTEN_PORT: clientsPort(layout),
    REPLICATIONS_DELAY_INIT: 10,
    NICE_LEVEL: 0,
  })
}

export function serverConfig(layout: Layout, number: number): string {
  return lines({
    DATA_PATH: serverFolder(layout.data, number),
    HDD_CONF_FILENAME: configFile(layout.data, `${serverName(number)}-folders`),
    ...identity(),
    MASTER_HOST: HOST,
    MASTER_PORT: serversPort(layout),
    MASTER_RECONNECTION_DELAY: 1,
    BIND_HOST: HOST,
    CSSERV_LISTEN_HOST: HOST,
    CSSERV_LISTEN_PORT: serverPort(layout, number),
    NICE_LEVEL: 0,
  })
}

export function monitorConfig(layout: Layout): string {
  return lines({
    DATA_PATH: layout.data,
    ...identity(),
    MASTER_HOST: HOST,
    MASTER_PORT: clientsPort(layout),
    HTTP_LISTEN_HOST: HOST,
    HTTP_LISTEN_PORT: monitorPort(layout),
  })
}

export const foldersText = (data: string, number: number) => `${HEADER}${chunksFolder(data, number)}\n`
