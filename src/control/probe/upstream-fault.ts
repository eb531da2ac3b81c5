import { oneLine, withoutSecrets } from '../../routing/errors/shown-text.ts'
import { readUpstreamError } from '../../routing/health/upstream-error.ts'
import { refuseOperation, type RefusalError } from '../kit/refusal.ts'
import type { UpstreamFailure } from '../kit/upstream-http.ts'

/** The call to describe in a message, without secrets. */
export interface UpstreamCallFacts {
  /** E.g. `GET http://10.0.0.7:8000/v1/models`. */
  readonly method: string
  readonly url: string
  readonly hasSecret: boolean
  readonly proxyUrl: string | null
}

/** The refusal for an upstream that failed: what happened and what to do about it. */
export function refuseUpstream(
  call: UpstreamCallFacts,
  what: string,
  path: readonly string[] | null = null,
): RefusalError {
  return refuseOperation('UPSTREAM_FAILED', `${call.method} ${call.url} ${what}`, path)
}

/** Describes a call without an answer: the end of a sentence that begins with the call. */
export function describeFailure(cause: UpstreamFailure, call: UpstreamCallFacts): string {
  const { protocol, host } = new URL(call.url)
  // With a proxy the connection goes to the proxy.
  const next = new URL(call.proxyUrl ?? call.url)
  switch (cause) {
    case 'FORBIDDEN_ADDRESS':
      return `was not sent: the address behind ${next.hostname} may not be called from this installation (SIGNALBOX_UPSTREAM_ALLOW).`
    case 'UNKNOWN_HOST':
      return `failed: nobody knows the host name ${next.hostname}. Is it spelled right, and known where Signalbox runs?`
    case 'REFUSED':
      return `failed: nothing listens at ${next.host}. Is the server running, and is this its port?${localHint(next.hostname)}`
    case 'UNREACHABLE':
      return `failed: there is no way to ${next.host} from where Signalbox runs. Look at the network and its firewalls.`
    case 'TLS':
      return protocol === 'https:'
        ? `failed: no TLS connection to ${host}. Does it speak https at this port, with a certificate that is trusted here?`
        : `failed: ${host} wants TLS. Try https.`
    case 'NOT_HTTP':
      return `failed: what ${host} answered is not HTTP. Is this the right port, and does it want https?`
    case 'PROXY':
      return 'failed: the proxy refused to connect. Look at the proxy URL and its rules.'
    case 'BROKEN_OFF':
      return `failed: ${host} closed the connection without an answer.${protocol === 'http:' ? ' Does it want https?' : ''}`
    case 'TIMEOUT':
      return `failed: no answer from ${next.host} in time. Is it up, and is there a firewall in between?`
    case 'OTHER':
      return 'failed without a reason that is known here.'
  }
}

function localHint(hostname: string): string {
  const isLocal = hostname === 'localhost' || hostname.startsWith('127.') || hostname === '[::1]'
  return isLocal ? ' Inside a container, localhost is the container itself: use the name or address of its host.' : ''
}

/** Describes an answer with an error status: the end of a sentence that begins with the call. */
export function describeStatus(status: number, call: UpstreamCallFacts): string {
  const answered = `answered ${status}`
  if (status >= 300 && status < 400)
    return `${answered}: redirects are not followed. Give the URL that it leads to, if that is the same service.`
  switch (status) {
    case 401:
    case 403:
      return call.hasSecret
        ? `${answered}: it does not accept the secret. Is it the right one, still valid, and allowed to do this?`
        : `${answered}: it wants a secret, and none was given.`
    case 404:
      return `${answered}: there is nothing at this address. ${pathHint(call.url)}`
    case 405:
      return `${answered}: it is not called like this here. Is the base URL right?`
    case 429:
      return `${answered}: it takes no more calls at the moment. Try again later, or look at the account's limits.`
    default:
      return status >= 500
        ? `${answered}: the server itself failed. Its own log says more.`
        : `${answered}: it did not like the call. Is the base URL right, and the kind of provider?`
  }
}

const maxReasonLength = 300

/** The vendor's own error message as a further sentence: bounded, on one line, without secrets; empty if there is none. */
export function describeReason(body: Buffer, secrets: readonly string[]): string {
  const statedReason = readUpstreamError(body.toString('utf8').replace(/^\ufeff/, ''))?.message ?? ''
  const shown = withoutSecrets(oneLine(statedReason), secrets).slice(0, maxReasonLength).toWellFormed()
  return shown === '' ? '' : ` It says: ${JSON.stringify(shown)}`
}

function pathHint(url: string): string {
  return /\/v\d/.test(new URL(url).pathname)
    ? 'Is the base URL right, and does the service know this?'
    : 'Most base URLs end in /v1.'
}
