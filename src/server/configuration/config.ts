import { isIP } from 'node:net'
import { resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { type TransportName, transportNames } from '../../gateway/upstream/transport.ts'
import { type DatabaseUrlError, parseDatabaseUrl } from '../../storage/database/address.ts'
import { StartError } from '../start-error.ts'
import { type TraceSampling, traceSamplers } from '../tracing/sampling.ts'

export type ListenAddress = { host: string; port: number }

/** Wraps the stored secrets; earlier ones follow the one in use, for what was encrypted with them. */
export type EncryptionKeys = readonly [Buffer, ...Buffer[]]

/** What a process does: the API, the gateway, or both. */
export const roles = ['all', 'control', 'gateway'] as const
export type Role = (typeof roles)[number]

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** All that can be set from outside, checked. */
export type Config = {
  role: Role
  /** Gateways in processes of their own; 0: the gateway is in this process. */
  workers: number
  api: ListenAddress
  gateway: ListenAddress
  /** Absolute. */
  dataDir: string
  /** The first administrator's key; undefined: one is made. */
  adminKey: string | undefined
  /** Undefined: the embedded PostgreSQL. */
  databaseUrl: string | undefined
  /** Prepares large statements under names, which a pooler in transaction mode may lose. The embedded one always does. */
  databaseNamedStatements: boolean
  /** Undefined only in embedded mode: then the key in the data folder is used. */
  encryptionKeys: EncryptionKeys | undefined
  /** Address ranges that upstreams may be in, e.g. `10.0.0.0/8`; undefined: public and private ranges, and loopback while the API listens on loopback. */
  upstreamAllow: readonly string[] | undefined
  upstreamTransport: TransportName
  logLevel: LogLevel
  retentionDays: number
  drainTimeoutMs: number
  /** The gateway refuses requests after this time without the database; undefined: it continues to serve. */
  maxStalenessMs: number | undefined
  maxRequestBytes: number
  /** Whether `/metrics` of the API is answered without a key. */
  metricsOpen: boolean
  /** Where the console reaches a gateway, without `/v1`; undefined: the gateway of this process. */
  gatewayUrl: string | undefined
  /** A folder with the documents that the API runs, and no others; undefined: it runs any. Absolute. */
  trustedDocumentsDir: string | undefined
  /** The greatest cost of the operations of one key per minute; 0: no limit. */
  apiCostPerMinute: number
  /** The memory for the bodies of all requests, in bytes; undefined: the gateway's default. */
  maxBodyMemoryBytes: number | undefined
  /** The same on disk. */
  maxBodyDiskBytes: number | undefined
  /** Origins of web pages that may use the gateway; undefined: none. */
  corsOrigins: '*' | ReadonlySet<string> | undefined
  /** Undefined: no traces. */
  otlpEndpoint: string | undefined
  traceSampling: TraceSampling
}

/** The environment is not a valid configuration; `faults` has one sentence per variable, without values. */
export class ConfigError extends StartError {
  override name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`The configuration is not usable:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

type Environment = Readonly<Record<string, string | undefined>>

const port = integer(0, 65_535, 'a port number from 0 to 65535')

const variables = z.object({
  SIGNALBOX_ROLE: z.enum(roles, `must be one of ${roles.join(', ')}`).default('all'),
  SIGNALBOX_WORKERS: integer(0, 256, 'a number of processes from 0 to 256').default(0),
  /** Read by the command `serve`; here so that it is known. */
  SIGNALBOX_ENV_FILE: z.string().optional(),
  SIGNALBOX_API_HOST: host().default('127.0.0.1'),
  SIGNALBOX_API_PORT: port.default(4000),
  SIGNALBOX_GATEWAY_HOST: host().default('127.0.0.1'),
  SIGNALBOX_GATEWAY_PORT: port.default(8080),
  SIGNALBOX_GATEWAY_URL: z
    .string()
    .refine(isHttpUrl, 'must be a URL like http://gateway:8080')
    .transform((text) => new URL(text).href.replace(/\/+$/, '').replace(/\/v1$/, ''))
    .optional(),
  SIGNALBOX_DATA_DIR: z.string().default('./data'),
  SIGNALBOX_ADMIN_KEY: matching(
    /^[!-~][ -~]{14,254}[!-~]$/,
    'must be 16 to 256 printable ASCII characters, with blanks between them only',
  ).optional(),
  DATABASE_URL: databaseUrl().optional(),
  SIGNALBOX_DATABASE_NAMED_STATEMENTS: z.enum(['true', 'false'], 'must be true or false').default('false'),
  SIGNALBOX_ENCRYPTION_KEY: encryptionKey().optional(),
  SIGNALBOX_ENCRYPTION_KEY_PREVIOUS: encryptionKey().optional(),
  SIGNALBOX_UPSTREAM_ALLOW: addressRanges().optional(),
  SIGNALBOX_UPSTREAM_HTTP: z.enum(transportNames, `must be one of ${transportNames.join(', ')}`).default('own'),
  SIGNALBOX_LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
  SIGNALBOX_RETENTION_DAYS: integer(1, 3_650, 'a number of days from 1 to 3650').default(30),
  SIGNALBOX_DRAIN_TIMEOUT_MS: integer(0, 86_400_000, 'a number of milliseconds, at most a day (86400000)').default(
    60_000,
  ),
  SIGNALBOX_MAX_STALENESS_MS: integer(
    3_000,
    86_400_000,
    'a number of milliseconds from 3000 to a day (86400000)',
  ).optional(),
  SIGNALBOX_MAX_REQUEST_BYTES: integer(
    1_024,
    1_073_741_824,
    'a number of bytes from 1024 to 1073741824 (1 GiB)',
  ).default(67_108_864),
  SIGNALBOX_METRICS_OPEN: z.enum(['true', 'false'], 'must be true or false').default('false'),
  SIGNALBOX_TRUSTED_DOCUMENTS_DIR: z.string().optional(),
  SIGNALBOX_API_COST_PER_MINUTE: integer(0, 1_000_000_000_000, 'a whole number, 0 for no limit').default(6_000_000),
  SIGNALBOX_MAX_BODY_MEMORY_BYTES: bodyBytes().optional(),
  SIGNALBOX_MAX_BODY_DISK_BYTES: bodyBytes().optional(),
  SIGNALBOX_GATEWAY_CORS_ORIGINS: corsOrigins().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.string().refine(isHttpUrl, 'must be a URL like http://127.0.0.1:4318').optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(traceSamplers, `must be one of ${traceSamplers.join(', ')}`)
    .default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.string().refine(isShare, 'must be a number from 0 to 1').transform(Number).default(1),
})

type Variables = z.output<typeof variables>

/** Every variable that is read, for the documentation's test and the command line's help. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(variables.shape)

/**
 * Reads the environment. Throws `ConfigError` with all of its faults at once; their texts name the variables, and never
 * a value. `warnings` are about names that are probably nobody's.
 */
export function readConfig(environment: Environment): { config: Config; warnings: readonly string[] } {
  // Compose files and unit files set what they leave out to the empty string.
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = variables.safeParse(given)
  const { typos, strangers } = judgeUnknown(Object.keys(given))
  const faults = [...(parsed.success ? contradictions(parsed.data) : parsed.error.issues.map(describeIssue)), ...typos]
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults)
  return { config: toConfig(parsed.data), warnings: strangers }
}

function toConfig(read: Variables): Config {
  return {
    role: read.SIGNALBOX_ROLE,
    workers: read.SIGNALBOX_WORKERS,
    api: { host: read.SIGNALBOX_API_HOST, port: read.SIGNALBOX_API_PORT },
    gateway: { host: read.SIGNALBOX_GATEWAY_HOST, port: read.SIGNALBOX_GATEWAY_PORT },
    dataDir: resolve(read.SIGNALBOX_DATA_DIR),
    adminKey: read.SIGNALBOX_ADMIN_KEY,
    databaseUrl: read.DATABASE_URL,
    databaseNamedStatements: read.SIGNALBOX_DATABASE_NAMED_STATEMENTS === 'true',
    encryptionKeys: toEncryptionKeys(read),
    upstreamAllow: read.SIGNALBOX_UPSTREAM_ALLOW,
    upstreamTransport: read.SIGNALBOX_UPSTREAM_HTTP,
    logLevel: read.SIGNALBOX_LOG_LEVEL,
    retentionDays: read.SIGNALBOX_RETENTION_DAYS,
    drainTimeoutMs: read.SIGNALBOX_DRAIN_TIMEOUT_MS,
    maxStalenessMs: read.SIGNALBOX_MAX_STALENESS_MS,
    maxRequestBytes: read.SIGNALBOX_MAX_REQUEST_BYTES,
    metricsOpen: read.SIGNALBOX_METRICS_OPEN === 'true',
    gatewayUrl: read.SIGNALBOX_GATEWAY_URL,
    trustedDocumentsDir: read.SIGNALBOX_TRUSTED_DOCUMENTS_DIR && resolve(read.SIGNALBOX_TRUSTED_DOCUMENTS_DIR),
    apiCostPerMinute: read.SIGNALBOX_API_COST_PER_MINUTE,
    maxBodyMemoryBytes: read.SIGNALBOX_MAX_BODY_MEMORY_BYTES,
    maxBodyDiskBytes: read.SIGNALBOX_MAX_BODY_DISK_BYTES,
    corsOrigins: read.SIGNALBOX_GATEWAY_CORS_ORIGINS,
    otlpEndpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
    traceSampling: { name: read.OTEL_TRACES_SAMPLER, ratio: read.OTEL_TRACES_SAMPLER_ARG },
  }
}

function toEncryptionKeys(read: Variables): EncryptionKeys | undefined {
  const [current, previous] = [read.SIGNALBOX_ENCRYPTION_KEY, read.SIGNALBOX_ENCRYPTION_KEY_PREVIOUS]
  if (!current) return undefined
  return previous ? [current, previous] : [current]
}

function contradictions(read: Variables): string[] {
  const faults: string[] = []
  if (read.DATABASE_URL && !read.SIGNALBOX_ENCRYPTION_KEY) {
    faults.push(
      'SIGNALBOX_ENCRYPTION_KEY must be set with DATABASE_URL: it wraps the stored secrets, and every process needs the ' +
        'same. Make one with: openssl rand -base64 32',
    )
  }
  if (read.SIGNALBOX_ROLE === 'control' && read.SIGNALBOX_WORKERS > 0) {
    faults.push('SIGNALBOX_WORKERS is of no use with SIGNALBOX_ROLE=control: workers are gateways.')
  }
  if (read.SIGNALBOX_ROLE === 'gateway' && !read.DATABASE_URL) {
    faults.push(
      'DATABASE_URL must be set with SIGNALBOX_ROLE=gateway: the configuration is in the database of the control process.',
    )
  }
  if (read.SIGNALBOX_ENCRYPTION_KEY_PREVIOUS && !read.SIGNALBOX_ENCRYPTION_KEY) {
    faults.push('SIGNALBOX_ENCRYPTION_KEY_PREVIOUS is of use only together with SIGNALBOX_ENCRYPTION_KEY.')
  }
  const samePort = read.SIGNALBOX_API_PORT === read.SIGNALBOX_GATEWAY_PORT && read.SIGNALBOX_API_PORT !== 0
  if (samePort && read.SIGNALBOX_API_HOST === read.SIGNALBOX_GATEWAY_HOST) {
    faults.push('SIGNALBOX_API_PORT and SIGNALBOX_GATEWAY_PORT must differ: applications must not reach the API.')
  }
  return faults
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const name = String(issue.path[0])
  // Kubernetes sets such variables for a service that is called "signalbox-api": they collide with ours.
  const hint = name.endsWith('_PORT') ? ' (if Kubernetes has set it: enableServiceLinks: false)' : ''
  return `${name} ${issue.message}${hint}.`
}

/** An unknown name that is similar to a known one is a fault: otherwise a typing error would silently leave the default. */
function judgeUnknown(names: readonly string[]): { typos: string[]; strangers: string[] } {
  const [typos, strangers]: [string[], string[]] = [[], []]
  for (const name of names) {
    if (!name.startsWith('SIGNALBOX_') || VARIABLE_NAMES.includes(name)) continue
    const shown = name.slice(0, 100)
    const near = VARIABLE_NAMES.find((known) => editDistance(known, name) <= 2)
    if (near) typos.push(`${shown} is not known: ${near} was probably meant.`)
    else strangers.push(`${shown} is not known, and has no effect.`)
  }
  return { typos, strangers }
}

/** Levenshtein's: how many characters must be added, left out or replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

function matching(pattern: RegExp, fault: string) {
  return z.string().regex(pattern, fault)
}

function integer(least: number, most: number, what: string) {
  const isInRange = (text: string) => /^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most
  return z.string().refine(isInRange, `must be ${what}`).transform(Number)
}

function bodyBytes() {
  return integer(1_048_576, 1_099_511_627_776, 'a number of bytes from 1048576 (1 MiB) to 1099511627776 (1 TiB)')
}

/** `*`, or origins as browsers send them: with a scheme, and without a path. */
function corsOrigins() {
  return z
    .string()
    .transform((text) =>
      text
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean),
    )
    .refine(
      (origins) => origins.length > 0 && (isAnyOrigin(origins) || origins.every(isOrigin)),
      'must be * or a list of origins, such as https://app.example.com, http://localhost:3000',
    )
    .transform((origins): '*' | ReadonlySet<string> => (isAnyOrigin(origins) ? '*' : new Set(origins)))
}

function isAnyOrigin(origins: readonly string[]): boolean {
  return origins.length === 1 && origins[0] === '*'
}

/** Pages of apps and browser extensions have schemes of their own (`app://…`, `chrome-extension://…`). */
function isOrigin(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/.test(text)
}

function isShare(text: string): boolean {
  return /^[\d.]{1,20}$/.test(text) && Number(text) >= 0 && Number(text) <= 1
}

function host() {
  const isHost = (text: string) => isIP(text) !== 0 || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text)
  return z
    .string()
    .transform((text) => text.replace(/^\[(.*)\]$/, '$1'))
    .refine(isHost, 'must be an address like 127.0.0.1 or :: or a host name, without scheme and port')
}

function encryptionKey() {
  return z.string().transform((text, context) => {
    const key = parseEncryptionKey(text)
    if (!key) context.addIssue({ code: 'custom', message: 'must be 32 bytes, as base64 or as 64 hexadecimal digits' })
    return key ?? z.NEVER
  })
}

/** The 32 bytes that the text stands for (base64, base64url or hex), or undefined if it does not. */
export function parseEncryptionKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined
  return Buffer.from(text, 'base64')
}

function addressRanges() {
  return z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter(Boolean))
    .refine(
      (ranges) => ranges.length > 0 && ranges.every((range) => ipaddr.isValid(range) || ipaddr.isValidCIDR(range)),
      'must be a list of address ranges, such as 10.0.0.0/8, fd00::/8',
    )
}

function databaseUrl() {
  return z.string().superRefine((text, context) => {
    try {
      parseDatabaseUrl(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as DatabaseUrlError).message })
    }
  })
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text)
}
