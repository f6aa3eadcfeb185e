"""The finishing of a picture on a GPU: from the net's answer to the encoder's planes.

What comes out of a net at the master's size is the most data there is in a run: 100 MB a frame as
R'G'B' in float32. It stays on the device through resize, table and grain, and leaves it as 8-bit
4:2:0, 12 MB. Everything here is written in torch and does what the stages do on the host by OpenCV;
:mod:`finishkit.engines.device_pass` compares the two before the first frame.
"""
