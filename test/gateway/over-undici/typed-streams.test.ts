/** The same promises, kept over undici. */
import { runSuiteOver } from '../support/suite-transport.ts'

runSuiteOver('undici')
await import('../answer/typed-streams.test.ts')
