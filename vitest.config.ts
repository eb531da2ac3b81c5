import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Without these conditions vitest loads a second copy of graphql ("from another module or realm").
  ssr: { resolve: { conditions: ['module-sync', 'node'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
