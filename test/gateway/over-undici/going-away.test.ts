/** The same promises, kept over undici. */
import { runSuiteOver } from '../support/suite-transport.ts'

runSuiteOver('undici')
await import('../request/going-away.test.ts')
