import { isAway } from '../../storage/database/is-away.ts'
import { DatabaseUrlError } from '../../storage/database/address.ts'
import { reasonOf } from '../../storage/database/server-choice.ts'
import { StartError } from '../start-error.ts'

/**
 * Why the server of `DATABASE_URL` cannot be used, and what mends it; undefined if waiting may help, or nothing is known. Values of
 * the URL that may be secret are never in it.
 */
export function describeRefusal(error: unknown): string | undefined {
  const { code = '', message = '' } = error as { code?: string; message?: string }
  if (error instanceof DatabaseUrlError) return `DATABASE_URL ${message}.`
  const reason = refusals[code] ?? tlsRefusal(code, message) ?? loginRefusals[message]
  return reason && `The database at DATABASE_URL cannot be used: ${reason}`
}

/** One sentence for the log while the server is away. */
export function describeWait(error: unknown, isEmbedded: boolean): string {
  if (error instanceof StartError) return `${error.message} It is tried again each second`
  const server = isEmbedded ? 'The embedded database' : 'The database at DATABASE_URL'
  return isAway(error)
    ? `${server} cannot be reached (${reasonOf(error)}); it is tried again each second`
    : `${server} cannot be used (${reasonOf(error)}); it is tried again each second`
}

const refusals: Readonly<Record<string, string>> = {
  '28P01': 'it does not accept the user and password.',
  28000:
    'it does not accept the user and password from here: see its pg_hba.conf; if that wants TLS, add sslmode=require.',
  '3D000': 'there is no database of that name. Create it first: createdb signalbox.',
  42501: 'the user may not create tables in it. Give it the database: ALTER DATABASE … OWNER TO ….',
}

/** The driver's own message when the server asks for a password and none is given. */
const loginRefusals: Readonly<Record<string, string>> = {
  'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string': 'it asks for a password, and the URL has none.',
  'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a non-empty string':
    'it asks for a password, and the URL has none.',
}

function tlsRefusal(code: string, message: string): string | undefined {
  if (message === 'The server does not support SSL connections')
    return 'it offers no TLS. Take sslmode out of the URL, or turn TLS on in the server (ssl = on).'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate is for another name. Use the name of the certificate, or sslmode=verify-ca.'
  if (code.startsWith('ERR_OSSL_') || code.startsWith('ERR_SSL_') || untrusted.test(code))
    return `TLS fails (${message || code}). See sslmode, sslrootcert, sslcert and sslkey in the URL.`
  return undefined
}

/** Of a certificate that is not accepted: https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const untrusted =
  /^(?:UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CERT_|ERROR_IN_CERT_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$)/
