"""Pictures and arrays that are damaged, of another kind, or made to do harm: one line, exit 2."""

import io
import os
import pathlib
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, features

from apr_jax.data.folder import load_folder
from tests.hostile.planted import MARK, Code

ROOT = pathlib.Path(__file__).parents[2]
RANDOM = np.random.default_rng(0)
GOOD = RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)


def encoded(kind, image=None, **options):
  file = io.BytesIO()
  (Image.fromarray(GOOD) if image is None else image).save(file, kind, **options)
  return file.getvalue()


def chunk(name, content):
  return (
    struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
  )


def png(width, height, *chunks, depth=8, colours=2):
  head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
  return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def bmp(width, height):
  head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
  return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


PNG, JPEG, WEBP, BMP = map(encoded, ("PNG", "JPEG", "WEBP", "BMP"))
PIXELS = chunk(b"IDAT", zlib.compress(b"\0" * 100))
EPS = (
  b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n"
  + f"(%pipe%touch {MARK}) (w) file closefile\n".encode()
  + b"%%EOF\n"
)

CONTENTS = {
  "nothing": b"",
  "a byte": b"\x89",
  "text": b"not a picture at all",
  "a page": b"<!doctype html><title>404</title>",
  "a drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
  "a script": b"#!/bin/sh\ntouch " + MARK.encode(),
  "a pickle": pickle.dumps(Code()),
  "an archive": b"PK\x03\x04" + bytes(60),
  "an array": b"\x93NUMPY\x01\x00" + bytes(100),
  "PostScript": EPS,
  "half a PNG": PNG[: len(PNG) // 2],
  "half a JPEG": JPEG[: len(JPEG) // 2],
  "half a WebP": WEBP[: len(WEBP) // 2],
  "half a BMP": BMP[: len(BMP) // 2],
  "the head of a PNG": PNG[:33],
  "the head of a JPEG": JPEG[:20],
  "the mark of a WebP": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(8),
  "a PNG with a wrong sum": PNG[:40] + bytes([PNG[40] ^ 255]) + PNG[41:],
  "a PNG without pixels": png(16, 16),
  "a PNG of no width": png(0, 16, PIXELS),
  "a PNG of no height": png(16, 0, PIXELS),
  "a bomb": png(60_000, 60_000, PIXELS),
  "a wide bomb": png(2**31 - 1, 1, PIXELS),
  "a BMP of negative width": bmp(-16, 16),
  "a BMP that promises more": bmp(2**30, 2**30),
  "a PNG with a text that swells": png(
    16, 16, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**27))), PIXELS
  ),
  "16 bits": encoded("PNG", Image.fromarray(np.full((16, 16), 60_000, np.uint16))),
  "32 bits": encoded("TIFF", Image.fromarray(np.full((16, 16), 1 << 20, np.int32))),
  "floats": encoded("TIFF", Image.fromarray(np.full((16, 16), np.nan, np.float32))),
  **{
    f"a {kind} called .png": encoded(kind)
    for kind in ("GIF", "TIFF", "PPM", "ICO", "TGA", "PCX", "SGI", "IM", "DDS", "EPS", "PDF")
  },
}
LINKS = {
  "a link to nothing": lambda path: path.symlink_to("nowhere"),
  "a link to itself": lambda path: path.symlink_to(path.name),
  "a link out of the folder": lambda path: path.symlink_to("/etc/passwd"),
  "a link to a folder": lambda path: path.symlink_to("/etc"),
  "a link to a device that never ends": lambda path: path.symlink_to("/dev/zero"),
  "a folder": lambda path: path.mkdir(),
  "a pipe that nobody writes to": lambda path: os.mkfifo(path),
}
TRAIN = [
  "train.py",
  f"--config={ROOT / 'configs/digits_standard.py'}",
  "--workdir=run",
  "--config.data.limit=0",
  "--config.batch_size=4",
]
PICTURES = [*TRAIN, "--config.data.name=folder:given", "--config.data.image_size=16"]


def pictures(folder, **others):
  """Class folders with a good picture each, and others of the first class."""
  for split in ("train", "test"):
    for name in ("ant", "bee"):
      place = folder / "given" / split / name
      place.mkdir(parents=True)
      for number in range(2):
        (place / f"{number}.png").write_bytes(PNG)
  place = folder / "given" / "train" / "ant" / "bad.png"
  return place


@pytest.mark.parametrize("case", CONTENTS)
def test_a_picture_that_is_none_is_refused(refused, tmp_path, case):
  pictures(tmp_path).write_bytes(CONTENTS[case])
  refused(PICTURES, ["given/train/ant/bad.png: "])


@pytest.mark.parametrize("case", LINKS)
def test_what_is_no_file_is_refused(refused, tmp_path, case):
  LINKS[case](pictures(tmp_path))
  refused(PICTURES, ["given/train/ant/bad.png: cannot be read as an image"])


def test_a_name_with_a_line_break_and_terminal_codes_is_one_printable_line(refused, tmp_path):
  pictures(tmp_path).with_name("a\n\x1b[31mb.png").write_bytes(b"")
  refused(PICTURES, ["given/train/ant/a", "b.png: cannot be read"])


def test_pictures_of_two_sizes_are_refused(refused, tmp_path):
  pictures(tmp_path).write_bytes(encoded("PNG", Image.fromarray(GOOD[:8])))
  refused([*PICTURES[:-1], "--config.data.image_size=0"], ["bad.png", "data.image_size"])


GRADIENT = Image.fromarray(np.full((16, 16, 3), 128, np.uint8))
READABLE = {
  "grey": ("PNG", GRADIENT.convert("L"), {}),
  "black and white": ("PNG", GRADIENT.convert("1"), {}),
  "palette": ("PNG", GRADIENT.convert("P"), {}),
  "transparent": ("PNG", GRADIENT.convert("RGBA"), {}),
  "grey and transparent": ("PNG", GRADIENT.convert("LA"), {}),
  "inks": ("JPEG", GRADIENT.convert("CMYK"), {}),
  "progressive": ("JPEG", GRADIENT, {"progressive": True}),
  "animated": ("PNG", GRADIENT, {"save_all": True, "append_images": [GRADIENT.convert("L")] * 3}),
  "animated WebP": ("WEBP", GRADIENT, {"save_all": True, "append_images": [GRADIENT] * 3}),
  "with a comment": ("JPEG", GRADIENT, {"comment": b"x" * 1000}),
}


@pytest.mark.parametrize("case", READABLE)
def test_every_kind_of_picture_with_8_bits_is_read(tmp_path, case):
  assert features.check("webp")
  kind, image, options = READABLE[case]
  pictures(tmp_path).write_bytes(encoded(kind, image, **options))
  images = load_folder(str(tmp_path / "given"), "train", 16).images
  assert images.dtype == np.uint8 and images.shape == (5, 16, 16, 3)
  # Dithering makes grey of black and white; inks are the complement, and JPEG is near.
  assert abs(images[2].astype(float).mean() - 128) < 3, "by name, bad.png is the third"


IMAGES = RANDOM.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(8) % 2


def archive(**changes):
  file = io.BytesIO()
  arrays = {"train_images": IMAGES, "train_labels": LABELS} | {
    "test_images": IMAGES,
    "test_labels": LABELS,
  }
  kept = {key: value for key, value in (arrays | changes).items() if value is not None}
  np.savez(file, **kept)
  return file.getvalue()


def with_member(content, name="train_images.npy"):
  """An archive in which one member is this."""
  file = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(archive())) as good, zipfile.ZipFile(file, "w") as bad:
    for member in good.namelist():
      bad.writestr(member, content if member == name else good.read(member))
  return file.getvalue()


def npy(header, content=b""):
  text = header.encode() + b" " * (118 - len(header) % 64) + b"\n"
  return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


OBJECTS = np.array([Code()] * 8, dtype=object)
WHOLE = archive()
ARCHIVES = {
  "nothing": b"",
  "text": b"not an archive",
  "half": WHOLE[: len(WHOLE) // 2],
  "a flipped byte": WHOLE[:300] + bytes([WHOLE[300] ^ 255]) + WHOLE[301:],
  "a single array": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", b"\0"),
  "an empty archive": b"PK\x05\x06" + bytes(18),
  "a pickle": pickle.dumps(Code()),
  "objects for images": archive(train_images=OBJECTS),
  "objects for labels": archive(train_labels=OBJECTS),
  "a pickle for a member": with_member(pickle.dumps(Code())),
  "code in a header": with_member(npy(f"__import__('os').system('touch {MARK}')")),
  "a header that calls": with_member(
    npy("{'descr': print(1), 'fortran_order': False, 'shape': (1,)}")
  ),
  "a header of brackets": with_member(npy("(" * 9000)),
  "a header that promises petabytes": with_member(
    npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 16, 16, 3)}")
  ),
  "a negative shape": with_member(
    npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-8, 16, 16, 3)}", bytes(99))
  ),
  "a member that is cut": with_member(WHOLE[30:99]),
  "no images": archive(train_images=None),
  "no labels": archive(train_labels=None),
  "no test split": archive(test_images=None, test_labels=None),
  "floats": archive(train_images=IMAGES / np.float32(255)),
  "NaN": archive(train_images=np.full(IMAGES.shape, np.nan)),
  "signed": archive(train_images=IMAGES.astype(np.int8)),
  "16 bits of the other order": archive(train_images=IMAGES.astype(">u2")),
  "truth values": archive(train_images=IMAGES > 99),
  "complex": archive(train_images=IMAGES.astype(complex)),
  "records": archive(train_images=np.zeros((8, 16, 16, 3), [("r", "u1")])),
  "texts": archive(train_images=np.full((8, 16, 16, 3), "a")),
  "channels first": archive(train_images=IMAGES.transpose(0, 3, 1, 2)),
  "two channels": archive(train_images=IMAGES[..., :2]),
  "five axes": archive(train_images=IMAGES[None]),
  "one axis": archive(train_images=IMAGES.ravel()),
  "a number": archive(train_images=np.uint8(3)),
  "images of no size": archive(train_images=IMAGES[:, :0]),
  "no examples": archive(train_images=IMAGES[:0], train_labels=LABELS[:0]),
  "fewer labels": archive(train_labels=LABELS[:7]),
  "labels of floats": archive(train_labels=LABELS / 2),
  "labels of NaN": archive(train_labels=np.full(8, np.nan)),
  "labels of texts": archive(train_labels=np.array(["ant", "bee"] * 4)),
  "labels below zero": archive(train_labels=LABELS - 1),
  "labels of 64 bits": archive(train_labels=LABELS + 2**40),
  "unsigned labels of 64 bits": archive(train_labels=np.full(8, 2**64 - 1, np.uint64)),
  "one-hot labels": archive(train_labels=np.eye(2)[LABELS]),
  "a test label that training has not": archive(test_labels=LABELS + 1),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_holds_no_data_set_is_refused(refused, tmp_path, case):
  (tmp_path / "given.npz").write_bytes(ARCHIVES[case])
  refused([*TRAIN, "--config.data.name=npz:given.npz"], ["given.npz"])


@pytest.mark.parametrize(
  "content",
  [
    b"",
    b"\x93NUMPY",
    b"text",
    pickle.dumps(Code()),
    npy("{'descr': '|O', 'fortran_order': False, 'shape': (8,)}", pickle.dumps(OBJECTS)),
    npy("{'descr': '|u1', 'fortran_order': False, 'shape': (8, 16, 16, 3)}", bytes(99)),
    npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 16, 16, 3)}", bytes(99)),
    npy(f"__import__('os').system('touch {MARK}')"),
  ],
  ids=["nothing", "the mark", "text", "a pickle", "objects", "cut", "petabytes", "code"],
)
def test_an_array_that_holds_no_images_is_refused(refused, tmp_path, content):
  (tmp_path / "given").mkdir()
  for name, array in (("train_labels", LABELS), ("test_images", IMAGES), ("test_labels", LABELS)):
    np.save(tmp_path / "given" / f"{name}.npy", array)
  (tmp_path / "given" / "train_images.npy").write_bytes(content)
  refused([*TRAIN, "--config.data.name=npy:given"], ["train_images.npy"])
