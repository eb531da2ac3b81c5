import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Without these conditions vitest loads a second copy of graphql ("from another module or realm").
  ssr: { resolve: { conditions: ['module-sync', 'node'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Nobody waits so long for a test that passes; a machine that does other work must not fail one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
