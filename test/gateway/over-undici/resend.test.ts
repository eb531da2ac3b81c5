/** The same promises, kept over undici. */
import { runSuiteOver } from '../support/suite-transport.ts'

runSuiteOver('undici')
await import('../http1/client/resend.test.ts')
