/** The dashboard's build: static files, with relative addresses, so that it can be served from any path. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  plugins: [react()],
  build: { outDir: 'dist', target: 'es2022', sourcemap: true, reportCompressedSize: false, assetsInlineLimit: 0 },
});
