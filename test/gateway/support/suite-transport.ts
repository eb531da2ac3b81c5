import type { UpstreamTransport } from '../../../src/gateway/upstream/transport.ts'

/** Each file of tests has a process of its own, so this is for one file. */
let transport: UpstreamTransport = 'own'

/** What carries requests to upstreams in the tests of this file. */
export function transportOfSuite(): UpstreamTransport {
  return transport
}

/** Runs the tests of a file over this transport: to be followed by `await import` of the file. */
export function runSuiteOver(chosen: UpstreamTransport): void {
  transport = chosen
}
