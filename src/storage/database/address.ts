import type { ClientConfig } from 'pg'

/** The parsed `DATABASE_URL`, as libpq reads it: https://www.postgresql.org/docs/current/libpq-connect.html. */
export interface DatabaseAddress {
  /** In the order in which they are tried; at least one. */
  readonly servers: readonly DatabaseServer[]
  /** `read-write`: only a server that takes writes will do; `primary`: only one that is no standby. */
  readonly session: DatabaseSession
  readonly tls: TlsParameters
  /** User, password, database and settings. Undefined members have the driver's default. */
  readonly login: Pick<ClientConfig, LoginMember>
  /** For each server. */
  readonly connectTimeoutMs: number | undefined
}

export interface DatabaseServer {
  /** A name, an address, or the folder of a Unix socket; undefined: the driver's default. */
  readonly host: string | undefined
  readonly port: number | undefined
}

export type DatabaseSession = 'any' | 'read-write' | 'primary'

export interface TlsParameters {
  /** Undefined: the driver's default, which is none. */
  readonly mode: TlsMode | undefined
  /** Paths of PEM files. `system` as root certificate: those of the runtime. */
  readonly rootCert: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly keyPassword: string | undefined
  /** Begins with TLS, without asking for it first. */
  readonly isDirect: boolean
}

const tlsModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const
export type TlsMode = (typeof tlsModes)[number]

/** What is wrong with the URL. Neither the message nor anything else in it shows a value that may be secret. */
export class DatabaseUrlError extends Error {
  override name = 'DatabaseUrlError'
}

type LoginMember =
  | 'user'
  | 'password'
  | 'database'
  | 'options'
  | 'application_name'
  | 'fallback_application_name'
  | 'client_encoding'

const usual = 'a URL like postgres://user:password@host:5432/database'
const shape = /^postgres(?:ql)?:\/\/(?<authority>[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$/

/** Throws `DatabaseUrlError`. */
export function parseDatabaseUrl(url: string): DatabaseAddress {
  const parts = shape.exec(url)?.groups
  if (!parts) throw new DatabaseUrlError(`must be ${usual}, with special characters percent-encoded`)
  const { authority = '', database = '', query = '' } = parts
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'))
  const at = authority.lastIndexOf('@')
  const [user = '', ...password] = authority.slice(0, Math.max(at, 0)).split(':')
  const servers = serversOf(authority.slice(at + 1), parameters)
  return {
    servers,
    session: sessionOf(parameters, servers.length),
    tls: tlsOf(parameters),
    login: {
      ...given('user', parameters.get('user') ?? decode(user)),
      ...given('password', parameters.get('password') ?? decode(password.join(':'))),
      ...given('database', parameters.get('dbname') ?? decode(database)),
      ...passedOn(parameters),
    },
    connectTimeoutMs: connectTimeoutOf(parameters),
  }
}

/** As in libpq, a list of servers in the parameters overrides the list before the path. */
function serversOf(authority: string, parameters: URLSearchParams): DatabaseServer[] {
  const listed = authority.split(',').map(serverOf)
  const hosts = parameters.get('host')?.split(',')
  const ports = parameters.get('port')?.split(',').map(portOf)
  const servers = hosts ? hosts.map((host) => ({ host: host || undefined, port: undefined })) : listed
  if (ports && ports.length > 1 && ports.length !== servers.length)
    throw new DatabaseUrlError('must have one port for all hosts, or as many ports as hosts')
  return servers.map(({ host, port }, index) => ({
    host,
    port: ports ? ports[ports.length > 1 ? index : 0] : (port ?? (hosts ? listed[index]?.port : undefined)),
  }))
}

function serverOf(text: string): DatabaseServer {
  const [, six, name = '', port] = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]*))(?::(\d*))?$/.exec(text) ?? []
  if (six === undefined && name === '' && text !== '' && !text.startsWith(':')) {
    throw new DatabaseUrlError(`must be ${usual}; several hosts are separated by commas: host1:5432,host2:5432`)
  }
  return { host: decode(six ?? name) || undefined, port: portOf(port ?? '') }
}

function portOf(text: string): number | undefined {
  if (text === '') return undefined
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new DatabaseUrlError('must have ports from 1 to 65535')
  return port
}

/** With several servers only one that accepts writes will do, whatever the URL says, because this software writes. */
function sessionOf(parameters: URLSearchParams, serverCount: number): DatabaseSession {
  const wanted = parameters.get('target_session_attrs') ?? (serverCount > 1 ? 'read-write' : 'any')
  if (wanted === 'any' || wanted === 'read-write' || wanted === 'primary') return wanted
  throw new DatabaseUrlError(
    'has a target_session_attrs that does not serve: it must be any, read-write or primary, since Signalbox writes',
  )
}

// These parameters have no effect here. Any other unknown name that begins with "ssl" is refused, because ignoring it could make the
// connection less safe than intended.
const withoutEffect = new Set(['sslcompression', 'sslsni'])
const tlsNames = new Set(['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslpassword', 'sslnegotiation'])

function tlsOf(parameters: URLSearchParams): TlsParameters {
  for (const name of parameters.keys()) {
    if (!name.startsWith('ssl') || tlsNames.has(name) || withoutEffect.has(name)) continue
    throw new DatabaseUrlError(
      `has the parameter ${name.slice(0, 40)}, which is not known: of TLS there are ${[...tlsNames].slice(1).join(', ')}`,
    )
  }
  const [cert, key] = [parameters.get('sslcert') || undefined, parameters.get('sslkey') || undefined]
  if (!cert !== !key) throw new DatabaseUrlError('must have sslcert and sslkey together')
  const rootCert = parameters.get('sslrootcert') || undefined
  const isDirect = parameters.get('sslnegotiation') === 'direct'
  const mode = tlsModeOf(parameters) ?? (rootCert ? 'verify-full' : cert || isDirect ? 'require' : undefined)
  return { mode, rootCert, cert, key, keyPassword: parameters.get('sslpassword') || undefined, isDirect }
}

function tlsModeOf(parameters: URLSearchParams): TlsMode | undefined {
  const short = parameters.get('ssl')
  if (short !== null) parameters.append('sslmode', shortModes[short] ?? short)
  const mode = parameters.get('sslmode')
  if (mode === null || tlsModes.some((known) => known === mode)) return (mode ?? undefined) as TlsMode | undefined
  throw new DatabaseUrlError(`has an sslmode that is not known: it must be one of ${tlsModes.slice(0, 6).join(', ')}`)
}

/** Short forms that users of the driver write. */
const shortModes: Readonly<Record<string, TlsMode>> = {
  true: 'verify-full',
  1: 'verify-full',
  false: 'disable',
  0: 'disable',
}

function connectTimeoutOf(parameters: URLSearchParams): number | undefined {
  const text = parameters.get('connect_timeout')
  if (text === null) return undefined
  if (!/^\d{1,4}$/.test(text)) throw new DatabaseUrlError('has a connect_timeout that is no number of seconds')
  // Zero means no time limit in libpq; here it is the driver's default. Like libpq, the least value is 2 s.
  return text === '0' ? undefined : Math.max(2, Number(text)) * 1_000
}

function passedOn(parameters: URLSearchParams) {
  const names = ['options', 'application_name', 'fallback_application_name', 'client_encoding'] as const
  return Object.fromEntries(names.flatMap((name) => Object.entries(given(name, parameters.get(name) ?? ''))))
}

function given<Name extends LoginMember>(name: Name, value: string): { readonly [N in Name]?: string } {
  return value === '' ? {} : ({ [name]: value } as { readonly [N in Name]?: string })
}

/** A `%` that encodes nothing is kept, because passwords are often written unencoded. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch {
    throw new DatabaseUrlError('has a percent-encoded character that is not UTF-8')
  }
}
