/** The same promises, kept over undici. */
import { runSuiteOver } from '../support/suite-transport.ts'

runSuiteOver('undici')
await import('../answer/stream-relay.test.ts')
