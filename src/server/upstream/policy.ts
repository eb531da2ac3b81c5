import { isIP, isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = readonly [Address, number]

/** Whether an upstream may be called; `reason` is a sentence for the operator. */
export type UpstreamVerdict = { ok: true } | { ok: false; reason: string }

/** Which addresses upstreams may have. */
export type UpstreamPolicy = {
  /** For a URL that is to be saved. A host name is accepted: its address is only known when connected. */
  check(url: URL): UpstreamVerdict
  /** For the address of a connected socket, as an IP literal. Anything else is not allowed. */
  readonly isAllowedAddress: (address: string) => boolean
}

export type UpstreamPolicyOptions = {
  /** Only these ranges, e.g. `10.0.0.0/8`; undefined: public and private ones. */
  allow?: readonly string[] | undefined
  /** Whoever can reach the API is on this machine anyway, so upstreams may be too. */
  apiIsLoopback: boolean
}

// What clouds answer credentials at, where it is not in a link-local range: Alibaba, Azure, AWS, Google.
const METADATA_ADDRESSES = new Set(['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'])
const METADATA_NAMES = new Set(['metadata', 'metadata.google.internal', 'metadata.goog', 'instance-data'])

// Of `/etc/hosts` on the usual systems; RFC 6761, section 6.3 adds whatever ends in .localhost.
const LOOPBACK_NAMES = new Set(['localhost', 'localhost.localdomain', 'ip6-localhost', 'ip6-loopback'])

// ipaddr.js names the ranges of IANA's special-purpose registries; whatever is not named here is never allowed.
const PUBLIC_AND_PRIVATE = new Set(['unicast', 'private', 'uniqueLocal', 'carrierGradeNat'])

// ::a.b.c.d of RFC 4291, section 2.5.5.1, deprecated: ipaddr.js takes it for public.
const IPV4_COMPATIBLE: Range = ipaddr.parseCIDR('::/96')

/** Link-local, metadata, multicast, unspecified and reserved addresses are refused whatever `allow` says. */
export function createUpstreamPolicy({ allow, apiIsLoopback }: UpstreamPolicyOptions): UpstreamPolicy {
  const ranges = allow?.map(parseRange)

  const whyRefused = (address: Address): string | undefined => {
    const kind = rangeOf(address)
    if (METADATA_ADDRESSES.has(address.toString())) return 'is where clouds keep credentials: it is never an upstream.'
    if (kind !== 'loopback' && !PUBLIC_AND_PRIVATE.has(kind))
      return `is ${NEVER[kind] ?? 'reserved'}: it is never an upstream.`
    if (ranges) return ranges.some((range) => isIn(address, range)) ? undefined : 'is not in SIGNALBOX_UPSTREAM_ALLOW.'
    if (kind === 'loopback' && !apiIsLoopback) return LOOPBACK_REFUSED
    return undefined
  }

  const whyNameRefused = (name: string): string | undefined => {
    if (METADATA_NAMES.has(name)) return 'is where clouds keep credentials: it is never an upstream.'
    if (isLoopbackName(name) && whyRefused(ipaddr.parse('127.0.0.1')) && whyRefused(ipaddr.parse('::1')))
      return ranges ? 'is not in SIGNALBOX_UPSTREAM_ALLOW.' : LOOPBACK_REFUSED
    return undefined
  }

  return {
    check(url) {
      const address = addressOf(url)
      const name = url.hostname.toLowerCase().replace(/\.$/, '')
      const refused = address ? whyRefused(address) : whyNameRefused(name)
      return refused ? { ok: false, reason: `The address ${name.slice(0, 253)} ${refused}` } : { ok: true }
    },
    isAllowedAddress(address) {
      return isIP(address) !== 0 && whyRefused(parseAddress(address)) === undefined
    },
  }
}

/** Does a server that listens on this host hear its own machine only? */
export function isLoopbackHost(host: string): boolean {
  if (isIP(host) === 0) return isLoopbackName(host.toLowerCase().replace(/\.$/, ''))
  return rangeOf(parseAddress(host)) === 'loopback'
}

const LOOPBACK_REFUSED =
  'is this machine itself. That is allowed while the API listens on a loopback address (SIGNALBOX_API_HOST), or with ' +
  'SIGNALBOX_UPSTREAM_ALLOW.'

const NEVER: Readonly<Record<string, string>> = {
  linkLocal: 'link-local',
  multicast: 'a multicast address',
  unspecified: 'unspecified',
  broadcast: 'a broadcast address',
}

/** Undefined for a host name. The URL has already turned decimal, octal, hexadecimal and short forms into one. */
function addressOf(url: URL): Address | undefined {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) === 0 ? undefined : parseAddress(host)
}

/** An IP literal, its zone aside. */
function parseAddress(literal: string): Address {
  if (isIPv4(literal)) return ipaddr.IPv4.parse(literal)
  // Through URL, which writes IPv6 in hexadecimal only: ipaddr.js takes ::10.0.0.1 for ::ffff:10.0.0.1.
  const { hostname } = new URL(`http://[${literal.replace(/%.*$/, '')}]`)
  return embeddedIPv4(ipaddr.IPv6.parse(hostname.slice(1, -1)))
}

/** The IPv4 address that a packet to this IPv6 address ends at: mapped, translated, NAT64 or 6to4. */
function embeddedIPv4(address: ipaddr.IPv6): Address {
  const bytes = address.toByteArray()
  const range: string = address.range()
  switch (range) {
    case 'ipv4Mapped':
    case 'rfc6145':
      return new ipaddr.IPv4(bytes.slice(12))
    case 'rfc6052':
      // 64:ff9b::/96 only: in 64:ff9b:1::/48 (RFC 8215) nobody but its network knows where the address is.
      return bytes[5] === 0 ? new ipaddr.IPv4(bytes.slice(12)) : address
    case '6to4':
      return new ipaddr.IPv4(bytes.slice(2, 6))
    default:
      return address
  }
}

function rangeOf(address: Address): string {
  const range = address.range()
  return range === 'unicast' && isIn(address, IPV4_COMPATIBLE) ? 'reserved' : range
}

function isIn(address: Address, [start, bits]: Range): boolean {
  return address.kind() === start.kind() && address.match(start, bits)
}

function parseRange(text: string): Range {
  const [start, bits] = ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : [ipaddr.parse(text), undefined]
  return [start, bits ?? (start.kind() === 'ipv4' ? 32 : 128)]
}

function isLoopbackName(name: string): boolean {
  return LOOPBACK_NAMES.has(name) || name.endsWith('.localhost')
}
