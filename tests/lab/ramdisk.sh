#!/bin/sh
# Inside the lab's machine: makes a RAM disk whose first process loads MODULES, runs COMMAND (the
# files that were handed in lie beside it) and switches the guest off.
#   ramdisk.sh FILE "MODULES" COMMAND
file=$1 modules=$2 command=$3
root=$file.root
tree=/lib/modules/$(uname -r)
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/files" "$root/tmp" "$root$tree"
for program in /usr/bin/busybox /usr/bin/kmod; do
	cp "$program" "$root/bin/"
	for library in $(ldd "$program" 2> /dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$library")"
		cp "$library" "$root$library"
	done
done
ln -s busybox "$root/bin/sh"
ln -s kmod "$root/bin/modprobe"
for module in $modules; do
	for object in $(modprobe --show-depends "$module" 2> /dev/null | sed -n 's/^insmod //p'); do
		mkdir -p "$root$(dirname "$object")"
		cp "${object%% *}" "$root${object%% *}"
	done
done
cp "$tree"/modules.builtin* "$tree"/modules.order "$root$tree/"
depmod -b "$root" "$(uname -r)"
cp ./* "$root/files/"
cat > "$root/init" <<END
#!/bin/sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
for module in $modules; do modprobe \$module; done
[ ! -d /proc/xen ] || busybox mount -t xenfs xenfs /proc/xen
cd /files
echo "guest begins"
$command
echo "guest status: \$?."  # the dot: all of the number has come
busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null) > "$file"
rm -rf "$root"
