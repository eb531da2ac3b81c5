/**
 * Look-ups of names hold one of libuv's threads each, until the system's resolver gives up: with the four threads that there are
 * by default, two names that hang would stop all others. It has to be set before anything uses a thread, so `main.ts` imports this
 * before the rest. Threads that wait cost a few kilobytes.
 */
process.env['UV_THREADPOOL_SIZE'] ||= '128'
