/** The same promises, kept over undici. */
import { runSuiteOver } from '../suite-transport.ts'

runSuiteOver('undici')
await import('../stream-relay.test.ts')
