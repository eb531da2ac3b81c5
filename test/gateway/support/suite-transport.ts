import type { TransportName } from '../../../src/gateway/upstream/transport.ts'

/** Each file of tests has a process of its own, so this is for one file. */
let transport: TransportName = 'own'

/** What carries requests to upstreams in the tests of this file. */
export function transportOfSuite(): TransportName {
  return transport
}

/** Runs the tests of a file over this transport: to be followed by `await import` of the file. */
export function runSuiteOver(chosen: TransportName): void {
  transport = chosen
}
