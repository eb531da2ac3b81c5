import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { DatabaseUrlError, type DatabaseServer, type TlsParameters } from './address.ts'

/** The driver's setting: TLS with these options, or none. */
export type Tls = ConnectionOptions | false

/**
 * In which ways a server is spoken to, in the order in which they are tried; `undefined` leaves it to the driver. Files are read
 * each time: certificates are replaced while a process runs. Throws `DatabaseUrlError` if one cannot be read.
 */
export function tlsChoices(parameters: TlsParameters, { host }: DatabaseServer): readonly (Tls | undefined)[] {
  if (parameters.mode === undefined) return [undefined]
  // Nobody is between the two ends of a Unix socket, and its server offers no TLS.
  if (parameters.mode === 'disable' || host?.startsWith('/')) return [false]
  const tls = tlsOptions(parameters)
  if (parameters.mode === 'allow') return [false, tls]
  return parameters.mode === 'prefer' ? [tls, false] : [tls]
}

function tlsOptions(parameters: TlsParameters): ConnectionOptions {
  const { rootCert, cert, key, keyPassword } = parameters
  return {
    ...(rootCert !== undefined && rootCert !== 'system' && { ca: readPem('sslrootcert', rootCert) }),
    ...(cert !== undefined && { cert: readPem('sslcert', cert) }),
    ...(key !== undefined && { key: readPem('sslkey', key) }),
    ...(keyPassword !== undefined && { passphrase: keyPassword }),
    ...verification(parameters),
  }
}

/**
 * With a root certificate `require` is `verify-ca`, for libpq as well. `verify-ca` without one would trust whoever has a certificate
 * of any public authority: then the name is checked too.
 */
function verification({ mode, rootCert }: TlsParameters): ConnectionOptions {
  const hasOwnRoot = rootCert !== undefined && rootCert !== 'system'
  if (mode === 'verify-full' || mode === 'verify-ca' || hasOwnRoot) {
    return mode !== 'verify-full' && hasOwnRoot ? { checkServerIdentity: () => undefined } : {}
  }
  return { rejectUnauthorized: mode === 'require' && rootCert === 'system' }
}

function readPem(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new DatabaseUrlError(`has an ${parameter} that cannot be read (${code ?? 'unknown'}): ${path}`)
  }
}
