#!/bin/sh
# Puts what a service runs with into /out: the installed packages, and of our own packages, named as arguments, what is
# built and the Lua scripts, which are read where they lie.
set -eu

mkdir -p /out/node_modules
cp package.json /out/
cp -a node_modules/. /out/node_modules/
# Links to packages of ours that are not among the arguments lead nowhere.
rm -rf /out/node_modules/@belfry /out/node_modules/.package-lock.json /out/node_modules/.bin

for folder in "$@"; do
  name=$(node -p "require('./$folder/package.json').name")
  mkdir -p "/out/$folder" /out/node_modules/@belfry
  cp "$folder/package.json" "/out/$folder/"
  cp -a "$folder/dist" "/out/$folder/"
  find "$folder/src" -name '*.lua' | while read -r file; do
    mkdir -p "/out/$(dirname "$file")"
    cp "$file" "/out/$file"
  done
  # Packages that another version of is needed elsewhere lie in the package's own folder.
  if [ -d "$folder/node_modules" ]; then cp -a "$folder/node_modules" "/out/$folder/"; fi
  ln -s "../../$folder" "/out/node_modules/$name"
done

# Types and maps are for those who develop.
find /out -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' -o -name '*.tsbuildinfo' -o -name '*.md' \) -delete
